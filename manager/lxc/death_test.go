package lxc

import "testing"

func TestParseDeath(t *testing.T) {
	const line = "lxc t1 20261121050609.115 INFO     error - ../src/lxc/error.c:lxc_error_set_and_log:34 - "
	for _, c := range []struct{ name, log, want string }{
		{"killed", line + "Child <4643> ended on signal Killed(9)\n", "init was killed by signal 9 (SIGKILL)"},
		{"powered off", line + "Child <4643> ended on signal Interrupt(2)\n", ""},
		{"exited badly", line + "Child <4643> ended on error (3)\n", "init exited with code 3"},
		{"exited well", "", ""},
		{"of an earlier init", line + "Child <4600> ended on signal Killed(9)\n", ""},
		{"the last counts", line + "Child <4643> ended on error (3)\n" + line + "Child <4643> ended on signal Killed(9)\n", "init was killed by signal 9 (SIGKILL)"},
	} {
		if got := parseDeath(c.log, 4643); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
