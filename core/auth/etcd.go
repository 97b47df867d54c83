package auth

import (
	"fmt"

	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/config"
)

// Etcd is how etcd is dialled as the settings say: TLS where there are authorities or a certificate, a user where there is one.
func Etcd(endpoints []string, access *config.EtcdAccess) (etcd.Settings, error) {
	settings := etcd.Settings{Endpoints: endpoints, Username: access.EtcdUser}
	err := access.CheckEtcd()
	if err != nil {
		return settings, err
	}
	if settings.Password, err = access.ReadPassword(); err != nil {
		return settings, fmt.Errorf("--etcd-password-file: %w", err)
	}
	if access.EtcdCA != "" || access.EtcdCert != "" {
		if settings.TLS, err = ClientTLS(access.EtcdCA, access.EtcdCert, access.EtcdKey); err != nil {
			return settings, fmt.Errorf("TLS to etcd: %w", err)
		}
	}
	return settings, nil
}
