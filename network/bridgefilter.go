package network

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// bridgeNetfilter is there when the kernel can hand what a bridge passes on to the chains of inet.
var bridgeNetfilter = "/proc/sys/net/bridge/bridge-nf-call-"

// judgesBridge is what judgeBridge said last, for who holds apply.
func (s *Service) judgesBridge(n inventory.Network) bool {
	if _, known := s.judged[n.Bridge]; !known {
		s.judged[n.Bridge] = s.judgeBridge(n)
	}
	return s.judged[n.Bridge]
}

// judgeBridge makes what the ports of this bridge send each other pass the rules, and reports whether
// it does. Only this bridge is changed: what others' bridges do is theirs.
func (s *Service) judgeBridge(n inventory.Network) bool {
	err := loadBridgeNetfilter()
	if err == nil {
		err = callNetfilter(n.Bridge)
	}
	if err != nil {
		s.log.Warn("containers of a network can't reach each other: nothing would judge what they send",
			"network", n.Name, "error", err)
	}
	return err == nil
}

// loadBridgeNetfilter loads br_netfilter where it is a module, and takes back that loading it changes
// every bridge of the host.
func loadBridgeNetfilter() error {
	if _, err := os.Stat(bridgeNetfilter + "iptables"); err == nil {
		return nil
	}
	if out, err := exec.Command("modprobe", "br_netfilter").CombinedOutput(); err != nil {
		return fmt.Errorf("the kernel has no br_netfilter: %v: %.200s", err, out)
	}
	for _, what := range []string{"iptables", "ip6tables", "arptables"} {
		if err := os.WriteFile(bridgeNetfilter+what, []byte("0"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// callNetfilter sets nf_call_iptables and nf_call_ip6tables of one bridge (ip-link(8)).
func callNetfilter(bridge string) error {
	link, err := netlink.LinkByName(bridge)
	if err != nil || callsNetfilter(link) {
		return err
	}
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(link.Attrs().Index)
	request.AddData(message)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_BR_NF_CALL_IPTABLES, nl.Uint8Attr(1))
	data.AddRtAttr(nl.IFLA_BR_NF_CALL_IP6TABLES, nl.Uint8Attr(1))
	request.AddData(info)
	_, err = request.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// callsNetfilter reads whether a bridge is set so.
func callsNetfilter(link netlink.Link) bool {
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(link.Attrs().Index)
	request.AddData(message)
	answers, err := request.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil || len(answers) != 1 {
		return false
	}
	attributes := answers[0][unix.SizeofIfInfomsg:]
	for _, kind := range []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_DATA} {
		attributes = attribute(attributes, kind)
	}
	on := func(kind uint16) bool {
		value := attribute(attributes, kind)
		return len(value) > 0 && value[0] == 1
	}
	return on(nl.IFLA_BR_NF_CALL_IPTABLES) && on(nl.IFLA_BR_NF_CALL_IP6TABLES)
}

// attribute returns the value of the one of that kind, nil without one.
func attribute(raw []byte, kind uint16) []byte {
	all, err := nl.ParseRouteAttr(raw)
	for _, a := range all {
		if err == nil && a.Attr.Type == kind {
			return a.Value
		}
	}
	return nil
}
