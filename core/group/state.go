package group

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Kind is the protocol that a group runs by. Members of the classic protocol may be in a group of
// kind Consumer, while it is moved from one to the other.
type Kind string

// Kinds of groups, in the words of ListGroups.
const (
	Classic  Kind = "classic"
	Consumer Kind = "consumer"
)

// Phase is where a classic group is. PreparingRebalance is never stored: it is a wish of the
// coordinator in whose memory it is.
type Phase string

// Phases, in the words of DescribeGroups.
const (
	Empty      Phase = "Empty"
	Preparing  Phase = "PreparingRebalance"
	Completing Phase = "CompletingRebalance"
	Stable     Phase = "Stable"
	// Of consumer groups only, and worked out from the members.
	Assigning   Phase = "Assigning"
	Reconciling Phase = "Reconciling"
	// Dead is what is said of a group that is not there.
	Dead Phase = "Dead"
)

// stateVersion is the version of the JSON in etcd. A reader refuses what it does not know.
const stateVersion = 1

// State is a group as it is stored in groups/<group>.
type State struct {
	Version     int         `json:"version"`
	Coordinator Coordinates `json:"coordinator"`
	Kind        Kind        `json:"kind"`
	// Generation of a classic group, group epoch of a consumer group: one number, so that it grows
	// through every change of protocol.
	Generation int32              `json:"generation"`
	Members    map[string]*Member `json:"members,omitempty"`
	EmptySince time.Time          `json:"emptySince,omitzero"` // since when there are no members

	// Of classic groups.
	Phase        Phase  `json:"phase,omitempty"`
	ProtocolType string `json:"protocolType,omitempty"` // "" until somebody joined: offsets alone
	Protocol     string `json:"protocol,omitempty"`     // what the members agreed on
	Leader       string `json:"leader,omitempty"`

	// Of consumer groups.
	TargetEpoch int32                 `json:"targetEpoch,omitempty"` // group epoch that Target was made for
	Target      map[string]Partitions `json:"target,omitempty"`      // by member id
	Assignor    string                `json:"assignor,omitempty"`    // that made Target
	Topics      uint64                `json:"topics,omitempty"`      // fingerprint of the topics subscribed to
}

// Coordinates say who coordinates: the epoch grows with every change.
type Coordinates struct {
	Node  int32 `json:"node"`
	Epoch int64 `json:"epoch"`
}

// Member is one member. What is not stored lives in the coordinator's memory.
type Member struct {
	ID       string `json:"-"` // the key in State.Members
	Instance string `json:"instance,omitempty"`
	Client   string `json:"client,omitempty"` // client.id
	Host     string `json:"host,omitempty"`
	Rack     string `json:"rack,omitempty"`

	// Of members that speak the classic protocol, in groups of both kinds.
	Classic     bool       `json:"classic,omitempty"`
	Protocols   []Protocol `json:"protocols,omitempty"` // in order of preference
	SessionMs   int32      `json:"sessionMs,omitempty"`
	RebalanceMs int32      `json:"rebalanceMs,omitempty"`
	Assignment  []byte     `json:"assignment,omitempty"` // in a classic group: the leader's bytes

	// Of members of consumer groups.
	Epoch     int32      `json:"epoch,omitempty"` // leftEpoch: a static member that will be back
	Previous  int32      `json:"previous,omitempty"`
	Names     []string   `json:"names,omitempty"` // of topics subscribed to
	Regex     string     `json:"regex,omitempty"`
	Assignor  string     `json:"assignor,omitempty"`
	Assigned  Partitions `json:"assigned,omitempty"`
	Revoking  Partitions `json:"revoking,omitempty"`  // has still to give up
	Unrelease bool       `json:"unrelease,omitempty"` // waits for what others have to give up

	volatile
}

// volatile is what a member's coordinator keeps in memory.
type volatile struct {
	session  time.Time // when the member counts as gone
	rejoinBy time.Time // of consumer groups: by when it must have given up, or joined again; zero: nothing is due
	join     Ticket    // its parked JoinGroup; 0: none
	sync     Ticket    // its parked SyncGroup; 0: none
	syncBy   time.Time // by when its SyncGroup must have come; zero: it has
}

// Protocol is an assignor that a classic member can take part in.
type Protocol struct {
	Name     string `json:"name"`
	Metadata []byte `json:"metadata,omitempty"`
}

// newState is a group that is not in etcd yet.
func newState() *State { return &State{Version: stateVersion, Kind: Classic, Phase: Empty} }

// encode gives the value in etcd.
func (s *State) encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("encode group: %v", err)) // cannot be: only strings, numbers and bytes
	}
	return pack(b)
}

func decodeState(b []byte) (*State, error) {
	b, err := unpack(b)
	if err != nil {
		return nil, fmt.Errorf("decode group: %w", err)
	}
	s := &State{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("decode group: %w", err)
	}
	if s.Version != stateVersion || s.Kind != Classic && s.Kind != Consumer {
		return nil, fmt.Errorf("decode group: version %d and kind %q are not known to this build: upgrade it", s.Version, s.Kind)
	}
	if s.Kind == Classic && s.Phase == Empty {
		s.Members = nil
	}
	for id, m := range s.Members {
		if m == nil {
			return nil, fmt.Errorf("decode group: member %q is null", id)
		}
		m.ID = id
	}
	return s, nil
}

// ids are the members' ids in order.
func (s *State) ids() []string { return slices.Sorted(maps.Keys(s.Members)) }

// byInstance finds the member with a group instance id.
func (s *State) byInstance(instance string) *Member {
	if instance == "" {
		return nil
	}
	for _, id := range s.ids() {
		if m := s.Members[id]; m.Instance == instance {
			return m
		}
	}
	return nil
}

func (s *State) add(m *Member) {
	if s.Members == nil {
		s.Members = map[string]*Member{}
	}
	s.Members[m.ID] = m
}
