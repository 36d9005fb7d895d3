package inventory

import (
	"fmt"
	"slices"
)

// A CgroupLayout is how a host has its control groups mounted.
type CgroupLayout string

// The layouts: v1 and hybrid both have controllers on v1 hierarchies.
const (
	CgroupsV1     CgroupLayout = "v1"
	CgroupsHybrid CgroupLayout = "hybrid"
	CgroupsV2     CgroupLayout = "v2"
)

// The versions of systemd at which it stopped to run on a layout (systemd's NEWS).
const (
	warnsOfV1 = 256 // calls v1 obsolete and refuses it as a host's; in a container 257 still starts
	dropsV1   = 258 // support is removed
	knowsV2   = 232 // the unified hierarchy is used from here on
)

// CheckInit refuses an image whose init can't run on the host's control groups, and returns a
// sentence for the plan where it does and its makers don't promise it. Nothing is said of an image
// whose record doesn't tell what its init is.
func CheckInit(m Image, host CgroupLayout) (warning string, err error) {
	v := m.InitVersion
	switch {
	case m.Init != "systemd" || v == 0 || host == "":
	case host != CgroupsV2 && v >= dropsV1:
		return "", Errorf(ErrState, "the image has systemd %d, which can't run on this host's control groups (%s): %d and later need v2; "+
			"boot the host with systemd.unified_cgroup_hierarchy=1, or take an image with an older one", v, host, dropsV1)
	case host != CgroupsV2 && v >= warnsOfV1:
		return fmt.Sprintf("systemd %d calls this host's control groups (%s) obsolete; from %d on it would not start", v, host, dropsV1), nil
	case host == CgroupsV2 && v < knowsV2:
		return "", Errorf(ErrState, "the image has systemd %d, which knows control groups v1 alone, and this host has v2; "+
			"take an image with %d or later", v, knowsV2)
	}
	return "", nil
}

// CarriesUserData reports whether a container of the image carries a cloud-init document out.
func (m Image) CarriesUserData() bool {
	return m.CloudInit || slices.ContainsFunc(m.Packages, func(p Package) bool { return p.Name == "cloud-init" })
}
