package inventory

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WholeHost is the project name of quotas that hold for all projects together.
const WholeHost = "*"

// Names of quotas.
const (
	QuotaContainers = "containers"
	QuotaCPUs       = "cpus"
	QuotaMemory     = "memory"
	QuotaDisk       = "disk"
	QuotaAddresses  = "addresses"  // IPv4 addresses of containers' interfaces
	QuotaPrivileged = "privileged" // containers with security.privileged
	QuotaNested     = "nested"     // containers with security.nesting
)

// QuotaNames are all of them, in the order they are shown.
var QuotaNames = []string{QuotaContainers, QuotaCPUs, QuotaMemory, QuotaDisk, QuotaAddresses,
	QuotaPrivileged, QuotaNested}

// A QuotaHolder is whose quota one is; one of the fields is set.
type QuotaHolder struct {
	Project     string // or WholeHost
	Owner       string // a user or a group, as containers and volumes name it
	Environment Environment
}

// String names the holder for people: "project shop", "owner dev1".
func (h QuotaHolder) String() string {
	switch {
	case h.Owner != "":
		return "owner " + h.Owner
	case h.Environment != "":
		return "environment " + string(h.Environment)
	case h.Project == WholeHost:
		return "this host"
	}
	return "project " + cmp.Or(h.Project, DefaultProject)
}

// Bounds reports whether the holder's quotas bound what has that project, owner and environment.
func (h QuotaHolder) Bounds(project, owner string, e Environment) bool {
	switch {
	case h.Owner != "":
		return h.Owner == owner
	case h.Environment != "":
		return h.Environment == e
	}
	return h.Project == WholeHost || h.Project == project
}

// Check refuses a holder that is none, and one that is several.
func (h QuotaHolder) Check() error {
	given := 0
	for _, name := range []string{h.Project, h.Owner, string(h.Environment)} {
		if name != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return Errorf(ErrInvalid, "a quota is of one project, one owner, one environment, or the host (%s)", WholeHost)
	case h.Owner != "":
		return checkOwner(h.Owner)
	case h.Environment != "" && !slices.Contains(Environments, h.Environment):
		return Errorf(ErrInvalid, "%q is no environment; it is one of prod, dr, staging, test, dev", h.Environment)
	}
	return nil
}

func checkOwner(name string) error {
	if len(name) > 255 {
		return Errorf(ErrInvalid, "the name of an owner may have 255 characters")
	}
	return CheckLine("the owner", name)
}

// A Quota is the most that all containers and volumes of its holder may reserve together. What lies
// in the trash counts its disk and its addresses only; a container that is stopped counts in full, so
// that it can always be started. Volumes count as disk: for their project, their owner and the host,
// and for an environment while a container of it has them attached.
type Quota struct {
	QuotaHolder
	Name string
	Max  int64 // a number, thousandths of a CPU, or bytes
	Used int64 // committed, the same; filled in by the store
	// InUse is what is measured of it now: of counts, those of containers that run; of cpus, the mean
	// since they started. Nil where nobody measured.
	InUse *int64
}

// ParseQuota reads the most a quota allows, as people write it: 20, 2.5 CPUs as 2.5, 8GiB. Zero
// allows nothing.
func ParseQuota(name, value string) (int64, error) {
	var n int64
	var err error
	switch {
	case !slices.Contains(QuotaNames, name):
		return 0, Errorf(ErrInvalid, "there is no quota %q; there are %s", name,
			strings.Join(QuotaNames, ", "))
	case value == "0":
	case isCount(name):
		n, err = strconv.ParseInt(value, 10, 64)
	case name == QuotaCPUs:
		var cpus float64
		cpus, err = strconv.ParseFloat(value, 64)
		if !(cpus >= 0 && cpus < math.MaxInt32) {
			n = -1
		} else {
			n = int64(cpus*1000 + 0.5)
		}
	default:
		var b Bytes
		b, err = ParseBytes(value)
		n = int64(b)
	}
	if err != nil || n < 0 {
		return 0, Errorf(ErrInvalid, "the quota %s can't be %q; write it like containers=20 cpus=8 memory=16GiB",
			name, value)
	}
	return n, nil
}

// isCount reports whether the quota of that name is a number of things.
func isCount(name string) bool {
	return name != QuotaCPUs && name != QuotaMemory && name != QuotaDisk
}

// QuotaText writes an amount of the quota of that name as people read it.
func QuotaText(name string, n int64) string {
	switch {
	case isCount(name):
		return strconv.FormatInt(n, 10)
	case name == QuotaCPUs:
		return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
	}
	return Bytes(n).String()
}

// Overdrawn is the refusal of name, which asks for more than the quota has left beside what others
// have taken: ErrQuota with limit, used and asked, and whose quota it is.
func (q Quota) Overdrawn(taken, asked int64, name string) error {
	name = cmp.Or(name, "the new container")
	switch {
	case q.Name == QuotaContainers:
		return Errorf(ErrQuota, "%s may have %d containers and has %d, and %s asks for one more; purge one or raise the quota",
			q.QuotaHolder, q.Max, taken, name)
	case q.Name == QuotaPrivileged || q.Name == QuotaNested:
		return Errorf(ErrQuota, "%s may have %d %s containers and has %d, and %s asks for one more; make another %[3]s no more, or raise the quota",
			q.QuotaHolder, q.Max, q.Name, taken, name)
	}
	unit := q.Name
	if unit == QuotaCPUs {
		unit = "CPUs"
	}
	return Errorf(ErrQuota, "%s may use %s %s, %s is taken and %s asks for %s", q.QuotaHolder,
		QuotaText(q.Name, q.Max), unit, QuotaText(q.Name, taken), name, QuotaText(q.Name, asked))
}
