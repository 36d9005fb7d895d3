// Package role is the net role: the process that serves DNS and DHCP on the bridges, and the protocol by
// which the agent steers it.
//
// The process is the agent's own binary, started detached. It begins as root, just long enough to
// listen on its control socket and read the last zone, and then gives up everything: another uid,
// no capabilities, no new privileges, a seccomp filter that leaves it memory, time and the network.
// It opens no file, starts no program and binds no port: sockets of port 53 and packet sockets come from the agent over
// the control socket (SCM_RIGHTS, unix(7)), and go the same way to a successor.
//
// The agent may come and go. One that finds a role of its own version adopts it; one that finds
// another version starts a new role beside it, hands it the same sockets, and then ends the old one:
// the sockets are never closed in between, so no question is lost.
package role
