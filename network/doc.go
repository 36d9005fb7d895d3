// Package network gives containers addresses, names and a way out.
//
// Three parts:
//
//   - The address plan is pure: [Plan] picks and checks addresses, [MAC] derives a hardware
//     address from a container's id. What is taken is told by the caller; nothing here stores it.
//   - [Claim] finds the values one agent on this host may use (bridge, subnet, id range), under a
//     lock shared by all agents of the host, and keeps them in ROOT/claims.json.
//   - [Service] makes the kernel match: a bridge through netlink, NAT and filters in an nftables
//     table of its own, and the names through the net role.
//
// The net role (package role) is an unprivileged process of the agent's binary that serves DNS
// (package names) and DHCP (package lease). It holds the sockets of port 53 and goes on answering while the agent is dead;
// the next agent adopts it over ROOT/run/net.sock. The agent pushes the whole zone on every change
// and waits for the answer, so a name is right when Publish returns.
package network
