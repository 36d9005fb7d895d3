package btrfs

// ChooseSize is tested by itself: it takes numbers of hosts that no test has.
var ChooseSize = chooseSize
