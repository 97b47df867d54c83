// Package group coordinates consumer groups: both membership protocols of Kafka (the classic one of
// JoinGroup and SyncGroup, and KIP-848) and committed offsets.
//
// # Flow of a request
//
//  1. Is this instance the preferred one for the group (a hash over the live instances)? If not: ErrNotCoordinator.
//  2. Take the group's turn. Who has it is alone with the group until the step is over.
//  3. If the group is not in memory: read it, and take the role by compare-and-swap (coordinator epoch + 1).
//     All session timers start anew. A group that is not in etcd needs no swap: its first write creates the key.
//  4. Run the step: a pure state machine (Machine) takes the input and the time, changes, and collects replies.
//  5. If what is stored changed, swap groups/<group> (guards: its mod revision, log/format).
//  6. Only now let the replies go. A request that parks (JoinGroup, SyncGroup) has given the turn back at once, and
//     its reply may come out of a later step.
//
// Whatever goes wrong at 5 (refused, unknown, etcd away) ends the same way: the group is dropped from memory, every
// parked request is told ErrNotCoordinator, and the next request begins at 3. So memory is never ahead of
// etcd for longer than a step, and there is no second way of recovery.
//
// # Invariants
//
//   - Two coordinators cannot both act: what one stores changes the mod revision that the other's next write compares, and
//     nobody is told of a generation, an epoch or an assignment before it is stored. A write whose answer was lost
//     may land late: it still compares the revision it was made at.
//   - Generations and epochs only grow, also over a change of coordinator: each is stored before it is told.
//   - A commit of offsets compares the mod revision of the group at which its generation was checked, so that
//     a member that has lost its partitions in etcd cannot commit, whoever coordinates; and the mod revision of each key
//     of offsets that it replaces, so that one that lands late never undoes a newer one.
//   - In a consumer group (KIP-848) a partition is given to a member only when no other member has it or has still to
//     give it up. In a classic group the leader assigns, and the bytes are not looked into.
//   - What a member is told of its generation and its assignment is what is stored: where the step stores nothing, the group's mod revision
//     is read before (Effects.Confirm). A coordinator that is one no more would tell of the one before, and the member would go back.
//   - Heartbeats store nothing: sessions live in the coordinator's memory, and begin anew with a new one.
//
// # Members that nobody holds
//
// A consumer over HTTP speaks to whichever instance it happens to reach, when it likes. What such a member must know from one request to
// the next is in groups/<group>/members/<m> (seat.go), under a lease: so etcd's clock says whether it lives. To the group it is
// a KIP-848 member like others; only when its session runs out in the coordinator's memory, the coordinator looks whether its
// key is there, and if so the session begins anew. Relay (core/group/relay) brings its heartbeats and commits to the coordinator.
//
// Where no instance lives, an invocation of a function takes a coordinator's step: visit.go.
//
// # What was rejected
//
//   - A leased key for every member: a write to etcd for every heartbeat.
//   - A watch of groups/<group>/members/ in the coordinator: it would tell of every poll of every such member, to learn of an
//     end that may be learned a session later.
//   - Leaving the group in memory after a write of unknown outcome and asking what became of it: three more states in
//     which every request has to be answered. A group is small; reading it anew is cheap.
//   - Storing nothing until the leader's SyncGroup, as Kafka does: the generation that JoinGroup has told could be
//     given out again by the next coordinator.
//   - Following groups/ with a watch to learn of other coordinators: every instance would receive every commit of offsets. The
//     mod revisions of the groups in memory are compared every few seconds instead (Run).
//
// Owns: groups/ in etcd. Does not own: topics, which it asks a View for; who lives (core/instance).
package group
