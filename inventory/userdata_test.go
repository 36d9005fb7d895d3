package inventory

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckUserData(t *testing.T) {
	for text, ok := range map[string]bool{
		"#cloud-config\npackages: [jq]\n": true, "#!/bin/sh\ntrue\n": true, "#include\nhttps://x\n": true,
		"## template: jinja\n#cloud-config\n": true, "MIME-Version: 1.0\n": true, "#cloud-boothook\n": true,
		"": false, "packages: [jq]\n": false, " #cloud-config\n": false, "\n#cloud-config\n": false, "# cloud-config\n": false,
		"#cloud-config\n\x00": false, "\x1f\x8b\x08": false, "#cloud-config\n\xff": false,
		"#cloud-config\n" + strings.Repeat("x", MaxUserData): false,
	} {
		if err := CheckUserData(text); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}
