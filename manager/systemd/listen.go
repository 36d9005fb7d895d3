package systemd

import (
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listeners returns the sockets the service manager opened for the agent, by the name their
// socket unit gives them (FileDescriptorName=, sd_listen_fds_with_names(3)). It is empty without
// socket activation. It takes them out of the environment: a second call returns none.
func Listeners() (map[string][]net.Listener, error) {
	return activation.ListenersWithNames()
}
