// Hugepages maps and touches one huge page of 2 MiB after another, up to as many as its argument says,
// and prints how many it got.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

func main() {
	most, _ := strconv.Atoi(os.Args[1])
	n := 0
	for ; n < most; n++ {
		page, err := syscall.Mmap(-1, 0, 2<<20, syscall.PROT_READ|syscall.PROT_WRITE,
			syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS|syscall.MAP_HUGETLB|21<<26) // MAP_HUGE_2MB
		if err != nil {
			break
		}
		page[0] = 1
	}
	fmt.Println(n)
}
