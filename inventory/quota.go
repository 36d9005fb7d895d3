package inventory

import (
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
)

// QuotaNames are all of them, in the order they are shown.
var QuotaNames = []string{QuotaContainers, QuotaCPUs, QuotaMemory, QuotaDisk}

// A Quota is the most that the containers of a project may reserve together. Containers in the
// trash count their disk only.
type Quota struct {
	Project string // or WholeHost
	Name    string
	Max     int64 // containers, thousandths of a CPU, or bytes
	Used    int64 // the same; filled in by the store
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
	case name == QuotaContainers:
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

// QuotaText writes an amount of the quota of that name as people read it.
func QuotaText(name string, n int64) string {
	switch name {
	case QuotaContainers:
		return strconv.FormatInt(n, 10)
	case QuotaCPUs:
		return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
	}
	return Bytes(n).String()
}
