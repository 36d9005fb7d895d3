package lxc

import "testing"

func TestParseDeath(t *testing.T) {
	const line = "lxc t1 20261121050609.115 INFO     error - ../src/lxc/error.c:lxc_error_set_and_log:34 - "
	for _, c := range []struct {
		name, log, want string
		silent          bool // the log does not tell
	}{
		{"killed", line + "Child <4643> ended on signal Killed(9)\n", "init was killed by signal 9 (SIGKILL)", false},
		{"powered off", line + "Child <4643> ended on signal Interrupt(2)\n", "", false},
		{"exited badly", line + "Child <4643> ended on error (3)\n", "init exited with code 3", false},
		{"exited well", "", "", true},
		{"of an earlier init", line + "Child <4600> ended on signal Killed(9)\n", "", true},
		{"the last counts", line + "Child <4643> ended on error (3)\n" + line + "Child <4643> ended on signal Killed(9)\n", "init was killed by signal 9 (SIGKILL)", false},
	} {
		got, ok := parseDeath(c.log, 4643)
		if want := (death{c.want, ok && c.want == ""}); got != want || ok == c.silent {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, ok, want)
		}
	}
}
