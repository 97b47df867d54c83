package main

import (
	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/config"
)

// dialEtcd connects as the settings say.
func dialEtcd(endpoints []string, access *config.EtcdAccess) (*etcd.KV, error) {
	settings, err := auth.Etcd(endpoints, access)
	if err != nil {
		return nil, err
	}
	return etcd.Dial(settings)
}
