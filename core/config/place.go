package config

import (
	"errors"
	"fmt"
	"strings"
)

// Place names a cluster for the tools: the folder of a stopped firnlog dev, or a store and an etcd.
type Place struct {
	Data    string   `name:"data" env:"FIRNLOG_DATA" placeholder:"DIR" help:"Folder of a firnlog dev that does not run. Instead of --store and --etcd."`
	Cluster string   `name:"cluster" env:"FIRNLOG_CLUSTER" default:"default" help:"Name of the cluster."`
	Store   string   `name:"store" env:"FIRNLOG_STORE" placeholder:"URL" help:"Object store, as for firnlog broker."`
	Etcd    []string `name:"etcd" env:"FIRNLOG_ETCD" placeholder:"HOST:PORT" help:"Members of etcd."`
	EtcdAccess

	Cold string `name:"cold-store" env:"FIRNLOG_COLD_STORE" placeholder:"URL" help:"The object store of cold objects, if firnlog broker has one."`
}

// Check reports all that is wrong at once. It is not named Validate, since not every use of a tool needs a place: the parser would
// ask each time.
func (p *Place) Check() error {
	var errs []error
	switch {
	case p.Data == "" && (p.Store == "" || len(p.Etcd) == 0):
		errs = append(errs, errors.New("name the cluster: --data DIR, or --store URL and --etcd HOST:PORT"))
	case p.Data != "" && (p.Store != "" || len(p.Etcd) > 0):
		errs = append(errs, errors.New("--data DIR stands alone: without --store and --etcd"))
	}
	if p.Cluster == "" || strings.ContainsAny(p.Cluster, "/ \t\n") {
		errs = append(errs, fmt.Errorf("--cluster %q: want a name without slashes and spaces", p.Cluster))
	}
	errs = append(errs, p.CheckEtcd())
	return errors.Join(errs...)
}

// Backup are the settings of firnlog backup.
type Backup struct {
	Place
	JSON bool `name:"json" help:"Print the result as JSON."`
}

// Restore are the settings of firnlog restore.
type Restore struct {
	Place
	Backup    string `name:"backup" placeholder:"ID" help:"Restore this backup as it is, without the journal after it: the metadata of that time. Records that came later are left out. Default: the newest, and all that came after it."`
	Overwrite bool   `name:"overwrite" help:"DELETE what etcd holds of this cluster and put the restored state in its place. Without it, only an etcd that holds nothing of the cluster is written to."`
	DryRun    bool   `name:"dry-run" help:"Read the object store and report what would be restored; write nothing."`
	JSON      bool   `name:"json" help:"Print the report as JSON."`
}
