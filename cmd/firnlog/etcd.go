package main

import (
	"fmt"

	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/config"
)

// dialEtcd connects as the settings say: TLS where there are authorities or a certificate, a user where there is one.
func dialEtcd(endpoints []string, access *config.EtcdAccess) (*etcd.KV, error) {
	settings := etcd.Settings{Endpoints: endpoints, Username: access.EtcdUser}
	err := access.CheckEtcd()
	if err != nil {
		return nil, err
	}
	if settings.Password, err = access.ReadPassword(); err != nil {
		return nil, fmt.Errorf("--etcd-password-file: %w", err)
	}
	if access.EtcdCA != "" || access.EtcdCert != "" {
		if settings.TLS, err = auth.ClientTLS(access.EtcdCA, access.EtcdCert, access.EtcdKey); err != nil {
			return nil, fmt.Errorf("TLS to etcd: %w", err)
		}
	}
	return etcd.Dial(settings)
}
