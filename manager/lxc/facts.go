package lxc

import (
	"encoding/json"
	"os"
	"path/filepath"

	"lodge/inventory"
)

// facts are what the next agent has to know of a running container. They are worth nothing after
// the host's next boot, so they are not synced.
type facts struct {
	ID           inventory.ContainerID `json:"id"`
	LXCName      string                `json:"lxc_name"`
	Boot         string                `json:"boot_id"`
	InitPID      int                   `json:"init_pid"`
	InitStart    uint64                `json:"init_start"`
	MonitorPID   int                   `json:"monitor_pid"`
	MonitorStart uint64                `json:"monitor_start"`
}

func (f facts) init() process    { return process{f.InitPID, f.InitStart} }
func (f facts) monitor() process { return process{f.MonitorPID, f.MonitorStart} }

func (r *Runtime) factsPath(id inventory.ContainerID) string {
	return filepath.Join(r.runDir, "containers", string(id)+".json")
}

// saveFacts notes a running container. A failure is logged only: the hook's spool and the monitor's
// name are two more ways to find it again.
func (r *Runtime) saveFacts(f facts) {
	text, err := json.Marshal(f)
	if err == nil {
		err = writeFile(r.factsPath(f.ID), text)
	}
	if err != nil {
		r.log.Warn("the facts of a running container can't be saved", "container", f.ID, "err", err)
	}
}

// loadFacts returns what was noted of the container in this boot.
func (r *Runtime) loadFacts(id inventory.ContainerID) (facts, bool) {
	text, err := os.ReadFile(r.factsPath(id))
	if err != nil {
		return facts{}, false
	}
	var f facts
	if json.Unmarshal(text, &f) != nil || f.Boot != r.boot || f.ID != id {
		return facts{}, false
	}
	return f, true
}
