package inventory

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRecordArgs: what the journal and the operations keep of parameters holds no secret, and tells
// one document from another.
func TestRecordArgs(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{`{"name":"a"}`, `{"name":"a"}`},
		{`{"user_data":"hello"}`, `{"user_data":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}`},
		{`{"user_data":""}`, `{"user_data":""}`},
		{`{"env":{"A":"b"},"command":["x"],"ssh_keys":["k"]}`, `{"command":"(not recorded)","env":"(not recorded)","ssh_keys":"(not recorded)"}`},
		{`no json`, ``},
	} {
		got := RecordArgs(json.RawMessage(c.args))
		if string(got) != c.want {
			t.Errorf("%s: %s, want %s", c.args, got, c.want)
		}
		if again := RecordArgs(got); string(again) != c.want {
			t.Errorf("%s again: %s", c.args, again)
		}
	}
	once := WithoutUserData(json.RawMessage(`{"user_data":"#cloud-config\npassword: hunter2\n","name":"a"}`))
	if strings.Contains(string(once), "hunter2") || !strings.Contains(string(once), `"name":"a"`) || string(WithoutUserData(once)) != string(once) {
		t.Errorf("got %s", once)
	}
}
