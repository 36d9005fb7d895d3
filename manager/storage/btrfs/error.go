package btrfs

import "lodge/manager/storage/disk"

func (p *Pool) fault() disk.Fault {
	return disk.Fault{Pool: p.config.Name, Room: "grow the pool"}
}
