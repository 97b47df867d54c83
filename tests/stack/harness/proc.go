package harness

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// procFields reads a file of /proc/<pid>/. The program's name, which may hold spaces, counts as one field.
func procFields(t testing.TB, pid int, file string) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	if open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')'); open >= 0 && end > open {
		s = s[:open] + "name" + s[end+1:]
	}
	return strings.Fields(s)
}
