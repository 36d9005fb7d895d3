package systemd

// What the tests reach: both ways to start, whatever the host's PID 1 is.
var (
	UnitName     = unitName
	RunProcess   = runProcess
	StartProcess = startProcess
)
