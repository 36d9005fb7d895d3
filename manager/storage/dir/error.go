package dir

import "lodge/manager/storage/disk"

func (p *Pool) fault() disk.Fault {
	return disk.Fault{Pool: p.config.Name, Room: "make room on its file system"}
}
