package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/web/wire"
)

// oldestLXC has the fixes Lodge counts on; it is Debian 12's.
const oldestLXC = 5

func checkLiblxc(h *host) check {
	k := check{Name: "liblxc", Verdict: verdictOK, Found: liblxc(h)}
	head, _, _ := strings.Cut(k.Found, ".")
	major, err := strconv.Atoi(head)
	switch {
	case k.Found == "":
		k.Verdict, k.Found, k.Advice = verdictFail, "missing", "apt-get install liblxc1 lxc"
	case err == nil && major < oldestLXC:
		k.Verdict, k.Advice = verdictFail, "5.0 or newer is needed; Debian 12 has it"
	}
	return k
}

// liblxc asks our own helper, which says what it is linked with, and else LXC's tools.
func liblxc(h *host) string {
	for _, helper := range []string{"/usr/local/lib/lodge/lodge-lxc", "/usr/lib/lodge/lodge-lxc"} {
		if !h.exists(helper) {
			continue
		}
		var v struct {
			Liblxc string `json:"liblxc"`
		}
		if out, err := h.run(h.path(helper), "version"); err == nil && json.Unmarshal([]byte(out),
			&v) == nil && v.Liblxc != "" {
			return v.Liblxc
		}
	}
	if out, err := h.run("lxc-info", "--version"); err == nil {
		return strings.TrimSpace(out)
	}
	return ""
}

func checkAgent(h *host) check {
	k := check{Name: "agent", Verdict: verdictOK}
	v, _, err := h.agent()
	switch {
	case err != nil:
		k.Verdict, k.Found, k.Advice = verdictFail, "not reached", err.Error()
	case v.Version != version:
		k.Verdict, k.Found = verdictWarn, "version "+v.Version+", the command line is "+version
		k.Advice = "restart the agent; containers run on meanwhile: systemctl restart lodged"
	default:
		k.Found = "version " + v.Version
	}
	return k
}

// checkStrays asks the agent what does not fit its inventory. Without an agent nobody knows.
func checkStrays(h *host) check {
	k := check{Name: "inventory", Verdict: verdictOK, Found: "everything on the host fits it"}
	all, err := h.strays()
	switch {
	case err != nil:
		k.Verdict, k.Found = verdictWarn, "not compared with the host: "+err.Error()
	case len(all) > 0:
		k.Verdict, k.Advice = verdictWarn, "'lodge host check' tells more"
		k.Found = fmt.Sprintf("%d things don't fit it, the first: %s %s", len(all), all[0].Kind, all[0].Name)
	}
	return k
}

// checkReviews asks the agent which emergencies somebody should have looked at by now.
func checkReviews(h *host) check {
	k := check{Name: "reviews", Verdict: verdictOK, Found: "none is late"}
	all, err := h.changes()
	late := slices.DeleteFunc(all, func(c wire.Change) bool {
		return c.Review == nil || !c.Review.At.IsZero() || time.Now().Before(c.Review.Due)
	})
	switch {
	case err != nil:
		k.Verdict, k.Found = verdictWarn, "not known: "+err.Error()
	case len(late) > 0:
		k.Verdict, k.Found = verdictWarn, fmt.Sprintf("%d emergency changes were never looked at, the newest: change %d by %s",
			len(late), late[0].Number, late[0].Requester.Name)
		k.Advice = fmt.Sprintf("somebody else says what to make of it: lodge change review %d --note TEXT", late[0].Number)
	}
	return k
}
