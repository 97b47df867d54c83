package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/localstack"
)

// userCommands change users in etcd: how the first ones are made. Kafka's tools do the same through a broker.
type userCommands struct {
	Add    userAdd    `cmd:"" help:"Add a user, or change its password. Brokers know it at once."`
	List   userList   `cmd:"" help:"List users; passwords cannot be shown."`
	Remove userRemove `cmd:"" help:"Remove a user. Sessions that its credentials opened end with their next request."`
}

type userAdd struct{ config.UserAdd }

type userList struct{ config.Users }

type userRemove struct{ config.UserName }

// withUsers opens etcd, or the folder of a stopped firnlog dev.
func withUsers(ctx context.Context, c *config.Users, do func(*auth.Users) error) error {
	endpoints := c.Etcd
	if c.Data != "" {
		local, err := localstack.StartEmbedded(ctx, c.Data)
		if err != nil {
			return err
		}
		defer local.Close()
		endpoints = local.Endpoints()
	}
	kv, err := dialEtcd(endpoints, &c.EtcdAccess)
	if err != nil {
		return err
	}
	defer kv.Close()
	return do(auth.NewUsers(auth.UsersSettings{
		KV: kv, Keys: coordination.NewKeys(c.Cluster), Now: time.Now, Random: rand.Reader, Log: telemetry.NewLogger(os.Stderr, "warn"),
	}))
}

// Run adds a user.
func (c *userAdd) Run(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	password, drawn, err := readPassword(c.PasswordFile, os.Stdin)
	if err != nil {
		return err
	}
	changes := map[string]*auth.Credential{}
	for _, m := range c.Mechanisms {
		if changes[m], err = auth.NewCredential(rand.Reader, m, password, c.Iterations); err != nil {
			return err
		}
	}
	if err := withUsers(ctx, &c.Users, func(u *auth.Users) error { return u.Change(ctx, c.Name, changes) }); err != nil {
		return fmt.Errorf("add user %s: %w", c.Name, err)
	}
	out := map[string]string{"user": c.Name}
	if drawn {
		out["password"] = password
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	fmt.Printf("user %s is there\n", c.Name)
	if drawn {
		fmt.Printf("password: %s\nIt is not kept: note it now.\n", password)
	}
	return nil
}

const drawnBytes = 24

// readPassword reads a file, or draws one.
func readPassword(file string, stdin io.Reader) (password string, drawn bool, err error) {
	var raw []byte
	switch file {
	case "":
		raw = make([]byte, drawnBytes)
		_, _ = rand.Read(raw) // never fails (crypto/rand)
		return base64.RawURLEncoding.EncodeToString(raw), true, nil
	case "-":
		raw, err = io.ReadAll(io.LimitReader(stdin, 1<<16))
	default:
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return "", false, fmt.Errorf("read password: %w", err)
	}
	if password = strings.TrimRight(string(raw), "\r\n"); password == "" {
		return "", false, errors.New("read password: it is empty")
	}
	return password, false, nil
}

// Run lists users.
func (c *userList) Run(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	return withUsers(ctx, &c.Users, func(u *auth.Users) error {
		users, err := u.List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(os.Stdout).Encode(users)
		}
		for _, one := range users {
			var how []string
			for _, m := range one.Mechanisms {
				how = append(how, fmt.Sprintf("%s (%d iterations)", m.Mechanism, m.Iterations))
			}
			fmt.Printf("%s\t%s\n", one.Name, joined(how))
		}
		return nil
	})
}

// Run removes a user.
func (c *userRemove) Run(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := withUsers(ctx, &c.Users, func(u *auth.Users) error { return u.Remove(ctx, c.Name) }); err != nil {
		return fmt.Errorf("remove user %s: %w", c.Name, err)
	}
	fmt.Printf("user %s is gone\n", c.Name)
	return nil
}
