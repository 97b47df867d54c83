package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/firnlog/firnlog/core/ledger"
)

// release and revision are set by the linker in builds of make release: there is no other way in.
var release, revision string

type versionCommand struct{}

// Run prints what this binary was built from, and the formats of records that it knows.
func (versionCommand) Run() error {
	fmt.Printf("firnlog %s commit=%s format=%d-%d go=%s %s/%s\n", cmp.Or(release, "development"), built(),
		ledger.FormatOldest, ledger.FormatVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is what others are told of this build.
func version() string {
	if release == "" {
		return built()
	}
	return release + " " + built()
}

// built gives the commit.
func built() string {
	if revision != "" {
		return revision
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return info.Main.Version
}
