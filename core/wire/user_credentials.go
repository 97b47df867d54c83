package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// Credentials are those of users; *auth.Users is it.
type Credentials interface {
	List(ctx context.Context) ([]auth.Listed, error)
	Change(ctx context.Context, name string, changes map[string]*auth.Credential) error
}

// scramNames are mechanisms by Kafka's numbers.
func scramNames() map[int8]string { return map[int8]string{1: auth.ScramSHA256, 2: auth.ScramSHA512} }

func scramNumber(name string) int8 {
	for n, s := range scramNames() {
		if s == name {
			return n
		}
	}
	return 0
}

var errNotForUsers = errors.New("only super users (--superusers), and who may describe and alter the cluster where there are ACLs, may look at credentials and change them")

// DescribeUserScramCredentials (key 50), version 0. No users named: all. Salts and keys are never shown.
func (s *Server) describeUserCredentials(ctx context.Context, c *caller, req *kmsg.DescribeUserSCRAMCredentialsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	resp.Version = req.Version
	listed, err := s.listUsers(ctx, c)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	times, byName := map[string]int{}, map[string]auth.Listed{}
	for _, u := range listed {
		byName[u.Name] = u
	}
	if len(req.Users) == 0 {
		for _, u := range listed {
			resp.Results = append(resp.Results, describedUser(u))
		}
		return resp, nil
	}
	for _, asked := range req.Users {
		times[asked.Name]++
	}
	for _, asked := range req.Users {
		u, ok := byName[asked.Name]
		result := describedUser(u)
		switch {
		case times[asked.Name] == 0:
			continue // answered
		case times[asked.Name] > 1:
			result = kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
			result.ErrorCode, result.ErrorMessage = kerr.DuplicateResource.Code, kmsg.StringPtr("named more than once in the request")
		case !ok:
			result.ErrorCode, result.ErrorMessage = kerr.ResourceNotFound.Code, kmsg.StringPtr("no such user")
		}
		times[asked.Name], result.User = 0, asked.Name
		resp.Results = append(resp.Results, result)
	}
	return resp, nil
}

func (s *Server) listUsers(ctx context.Context, c *caller) ([]auth.Listed, error) {
	if err := c.may(ctx, auth.ResourceUser, "*"); err != nil {
		return nil, err
	}
	if s.guards.Users == nil {
		return nil, nil
	}
	return s.guards.Users.List(ctx)
}

func describedUser(u auth.Listed) kmsg.DescribeUserSCRAMCredentialsResponseResult {
	out := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
	out.User = u.Name
	for _, m := range u.Mechanisms {
		info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
		info.Mechanism, info.Iterations = scramNumber(m.Mechanism), int32(m.Iterations)
		out.CredentialInfos = append(out.CredentialInfos, info)
	}
	return out
}

// AlterUserScramCredentials (key 51), version 0. Passwords come salted by the client; all changes of one user are one transaction. As in
// Kafka, a user of whom anything in the request is wrong is left as it was, and gets one answer.
func (s *Server) alterUserCredentials(ctx context.Context, by *caller, req *kmsg.AlterUserSCRAMCredentialsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	resp.Version = req.Version
	changes, wrong := map[string]map[string]*auth.Credential{}, map[string]error{}
	var names []string
	add := func(name string, mechanism int8, c *auth.Credential, err error) {
		if changes[name] == nil {
			names, changes[name] = append(names, name), map[string]*auth.Credential{}
		}
		known := scramNames()[mechanism]
		_, twice := changes[name][known]
		switch {
		case known == "":
			err = fmt.Errorf("%w: number %d", auth.ErrMechanism, mechanism)
		case twice && err == nil:
			err = errTwiceUser
		}
		if wrong[name] == nil {
			wrong[name] = err
		}
		changes[name][known] = c
	}
	for _, d := range req.Deletions {
		add(d.Name, d.Mechanism, nil, nil)
	}
	for _, u := range req.Upsertions {
		c, err := auth.SaltedCredential(scramNames()[u.Mechanism], u.Salt, u.SaltedPassword, int(u.Iterations))
		add(u.Name, u.Mechanism, c, err)
	}
	for _, name := range names {
		err := wrong[name]
		if refused := by.may(ctx, auth.ResourceUser, name); refused != nil {
			err = refused
		}
		if err == nil && s.guards.Users != nil {
			err = s.guards.Users.Change(ctx, name, changes[name])
		}
		result := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		result.User, result.ErrorCode, result.ErrorMessage = name, s.code(err), message(err)
		resp.Results = append(resp.Results, result)
	}
	return resp, nil
}

var errTwiceUser = errors.New("the same credential is named more than once in the request")

// userCodes are the rows of the table of errors that are about users.
func userCodes() []errorCode {
	return []errorCode{
		{errNotForUsers, kerr.ClusterAuthorizationFailed},
		{errTwiceUser, kerr.DuplicateResource},
		{auth.ErrUnknownUser, kerr.ResourceNotFound},
		{auth.ErrMechanism, kerr.UnsupportedSaslMechanism},
		{auth.ErrInvalidUser, kerr.UnacceptableCredential},
		{auth.ErrIterations, kerr.UnacceptableCredential},
		{auth.ErrMalformed, kerr.UnacceptableCredential},
		{auth.ErrUnavailable, kerr.NotController},
		{auth.ErrNoCluster, kerr.NotController},
		{auth.ErrUnknown, kerr.RequestTimedOut},
	}
}
