// Package session lets people into containers: exec, shell, console and files.
//
// Each exec, shell and console is a process of its own, the holder (lodge-lxc session), started
// outside the agent. It owns the terminal or pipes, spools output, records, and waits for the
// command; so the agent may die at any instant and no session notices. Below ROOT/run/sessions it
// keeps
//
//	ID.sock   where the agent, and through it clients, attach (manager/session/stream)
//	ID.json   while it lives: its pid and start time, and the session's row
//	ID.exit   once the command ended: the outcome, durable until an agent has taken it over
//
// and the recording in ROOT/sessions/ID.rec (manager/session/recording), whose SHA-256 is part of the
// audit outcome.
//
// The agent keeps a control connection to every holder. When it breaks, or when a new agent begins
// (Adopt), the files above tell what became of the session; the audit outcome is written by
// whichever agent learns it.
package session
