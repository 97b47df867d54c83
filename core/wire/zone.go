package wire

import (
	"net"
	"net/netip"
	"strings"
)

// zone is where a client runs: what its client.id says ("zone=a" or WarpStream's "ws_az=a", "warpstream_az=a", among pairs
// with commas), else what its address says, else "".
func (s *Server) zone(c *caller) string {
	if z := zoneOfClient(c.client); z != "" {
		return z
	}
	if len(s.settings.ZonesByAddress) == 0 {
		return ""
	}
	tcp, ok := c.conn.nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	addr, _ := netip.AddrFromSlice(tcp.IP)
	for _, rule := range s.settings.ZonesByAddress {
		if rule.Network.Contains(addr.Unmap()) {
			return rule.Zone
		}
	}
	return ""
}

func zoneOfClient(id string) string {
	for id != "" {
		var pair string
		pair, id, _ = strings.Cut(id, ",")
		key, value, _ := strings.Cut(pair, "=")
		switch strings.TrimSpace(key) {
		case "zone", "ws_az", "warpstream_az":
			return strings.TrimSpace(value)
		}
	}
	return ""
}
