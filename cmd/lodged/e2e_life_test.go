package main

import (
	"testing"
)

// TestLife goes once through what everybody does.
func TestLife(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	if out, code := l.exec("lt-web", "hostname"); out != "lt-web\n" || code != 0 {
		t.Errorf("hostname says %q, %d", out, code)
	}
}
