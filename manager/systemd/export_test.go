package systemd

// What the tests reach: both ways to start and what they read, whatever the host's PID 1 is.
var (
	UnitName     = unitName
	RunProcess   = runProcess
	StartProcess = startProcess
	AsksResolved = asksResolved
)
