package config

import (
	"errors"
	"os"
	"strings"
)

// EtcdAccess is how etcd is reached beside its addresses.
type EtcdAccess struct {
	EtcdCA       string `name:"etcd-ca" env:"FIRNLOG_ETCD_CA" placeholder:"FILE" help:"Authorities (PEM) that sign certificates of etcd; with it, or with --etcd-cert, etcd is spoken to by TLS."`
	EtcdCert     string `name:"etcd-cert" env:"FIRNLOG_ETCD_CERT" placeholder:"FILE" help:"Certificate (PEM) to show to etcd."`
	EtcdKey      string `name:"etcd-key" env:"FIRNLOG_ETCD_KEY" placeholder:"FILE" help:"Private key (PEM) of --etcd-cert."`
	EtcdUser     string `name:"etcd-user" env:"FIRNLOG_ETCD_USER" help:"User of etcd, where it has authentication."`
	EtcdPassword string `name:"etcd-password-file" env:"FIRNLOG_ETCD_PASSWORD_FILE" placeholder:"FILE" help:"File that holds the password of --etcd-user."`
}

// CheckEtcd reports all that is wrong at once.
func (e *EtcdAccess) CheckEtcd() error {
	var errs []error
	if (e.EtcdCert == "") != (e.EtcdKey == "") {
		errs = append(errs, errors.New("--etcd-cert and --etcd-key go together"))
	}
	if (e.EtcdUser == "") != (e.EtcdPassword == "") {
		errs = append(errs, errors.New("--etcd-user and --etcd-password-file go together"))
	}
	return errors.Join(errs...)
}

// ReadPassword reads the password; "" if there is none.
func (e *EtcdAccess) ReadPassword() (string, error) {
	if e.EtcdPassword == "" {
		return "", nil
	}
	raw, err := os.ReadFile(e.EtcdPassword)
	return strings.TrimRight(string(raw), "\r\n"), err
}
