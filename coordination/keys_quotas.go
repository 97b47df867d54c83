package coordination

import "strings"

// Quotas is the prefix of all quotas.
func (k Keys) Quotas() string { return k.root + "quotas/" }

// Quota holds the limits of one user, client id or address; id is made of whom they are for (core/quota).
func (k Keys) Quota(id string) string { return k.Quotas() + id }

// ParseQuota gives the id of a key below Quotas.
func (k Keys) ParseQuota(key string) (id string, ok bool) {
	id, ok = strings.CutPrefix(key, k.Quotas())
	return id, ok && id != "" && !strings.Contains(id, "/")
}
