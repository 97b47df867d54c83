// Command etcd is the etcd server of the version in go.mod, for tests that
// need it as a process of its own: its modules cannot be installed by name.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
