package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Users names the cluster whose users are meant.
type Users struct {
	Data    string   `name:"data" env:"FIRNLOG_DATA" placeholder:"DIR" help:"Folder of a firnlog dev that does not run. Instead of --etcd."`
	Cluster string   `name:"cluster" env:"FIRNLOG_CLUSTER" default:"default" help:"Name of the cluster."`
	Etcd    []string `name:"etcd" env:"FIRNLOG_ETCD" placeholder:"HOST:PORT" help:"Members of etcd."`
	EtcdAccess
	JSON bool `name:"json" help:"Print the result as JSON."`
}

// Check reports all that is wrong at once.
func (u *Users) Check() error {
	var errs []error
	if (u.Data == "") == (len(u.Etcd) == 0) {
		errs = append(errs, errors.New("name the cluster: --etcd HOST:PORT, or --data DIR"))
	}
	if u.Cluster == "" || strings.ContainsAny(u.Cluster, "/ \t\n") {
		errs = append(errs, fmt.Errorf("--cluster %q: want a name without slashes and spaces", u.Cluster))
	}
	return errors.Join(append(errs, u.CheckEtcd())...)
}

// UserAdd are the settings of firnlog user add.
type UserAdd struct {
	Users
	Name         string   `arg:"" help:"Name of the user."`
	PasswordFile string   `name:"password-file" placeholder:"FILE" help:"File that holds the password; - is standard input. Default: one is drawn and printed, once."`
	Mechanisms   []string `name:"mechanism" default:"SCRAM-SHA-256,SCRAM-SHA-512" help:"Mechanisms to make credentials for. PLAIN and Basic take any of them."`
	Iterations   int      `name:"iterations" default:"4096" help:"Work for each try of a password, 4096 to 16384."`
}

// Check reports all that is wrong at once.
func (u *UserAdd) Check() error {
	errs := []error{u.Users.Check()}
	for _, m := range u.Mechanisms {
		if !slices.Contains([]string{"SCRAM-SHA-256", "SCRAM-SHA-512"}, m) {
			errs = append(errs, fmt.Errorf("--mechanism %q: there are SCRAM-SHA-256 and SCRAM-SHA-512", m))
		}
	}
	if u.Iterations < 4096 || u.Iterations > 16384 {
		errs = append(errs, fmt.Errorf("--iterations %d: want 4096 to 16384", u.Iterations))
	}
	return errors.Join(errs...)
}

// UserName are the settings of firnlog user remove.
type UserName struct {
	Users
	Name string `arg:"" help:"Name of the user."`
}
