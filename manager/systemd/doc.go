// Package systemd is what Lodge asks of the init system of the host: readiness and watchdog
// messages, sockets it was started with, and processes that have to run outside the agent's unit.
// It is the only importer of go-systemd. Everything in it works, by other means or by doing
// nothing, on a host whose PID 1 is not systemd.
package systemd
