package differential

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// script is the whole run. Each part makes the topics that it needs, so that parts can be run alone.
func (s *Session) script() {
	if resp, err := s.ask(kmsg.NewPtrMetadataRequest()); err == nil { // an error shows in what follows
		s.symbols.learn(resp)
	}
	for _, part := range []func(){
		s.versions, s.frames, s.cluster,
		s.createTopics, s.metadata, s.createPartitions, s.deleteTopics, s.describePartitions,
		s.describeConfigs, s.alterConfigs, s.incrementalAlterConfigs,
		s.produce, s.badBatches, s.timestamps, s.idempotence, s.producerIDs,
		s.fetch, s.fetchLimits, s.sessions,
		s.listOffsets, s.epochs, s.deleteRecords,
		s.coordinators, s.simpleGroups, s.classicGroups, s.groupErrors, s.groupAdmin, s.consumerGroups,
	} {
		part()
	}
}

// topic makes a topic and waits until it can be written to.
func (s *Session) topic(name string, partitions int32, configs ...string) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(min(5, s.served[req.Key()].Max))
	req.Topics = append(req.Topics, newTopic(name, partitions, 1, configs...))
	if _, err := s.ask(req); err != nil {
		s.err = err
	}
	s.ready(name, partitions)
}

// ready waits until a broker leads all partitions of a topic; it also learns the topic's id.
func (s *Session) ready(name string, partitions int32) {
	s.await("topic "+name+" can be used", func() bool {
		t := s.look(name)
		if t == nil || t.ErrorCode != 0 || len(t.Partitions) != int(partitions) {
			return false
		}
		req := kmsg.NewPtrListOffsetsRequest()
		req.SetVersion(s.served[req.Key()].Max)
		req.ReplicaID = -1
		req.Topics = append(req.Topics, timeOf(name, 0, -1))
		for p := int32(1); p < partitions; p++ {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, timeOf(name, p, -1).Partitions...)
		}
		resp, err := s.ask(req)
		if err != nil {
			return false
		}
		led := 0
		for _, p := range resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			if p.ErrorCode == 0 {
				led++
			}
		}
		return led == int(partitions)
	})
}

// look gives a topic's metadata, without creating it.
func (s *Session) look(name string) *kmsg.MetadataResponseTopic {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(s.served[req.Key()].Max)
	req.Topics = []kmsg.MetadataRequestTopic{metadataOf(name)}
	resp, err := s.ask(req)
	if err != nil {
		return nil
	}
	s.symbols.learn(resp)
	return &resp.(*kmsg.MetadataResponse).Topics[0]
}

// absent waits until a deleted topic is gone.
func (s *Session) absent(name string) {
	s.await("topic "+name+" is gone", func() bool {
		t := s.look(name)
		return t != nil && t.ErrorCode != 0
	})
}

func newTopic(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i+1 < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	return t
}

func metadataOf(name string) kmsg.MetadataRequestTopic {
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	return t
}

func timeOf(name string, partition int32, when int64) kmsg.ListOffsetsRequestTopic {
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.MaxNumOffsets = partition, when, 1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = name, append(t.Partitions, p)
	return t
}

// ms is a timestamp of records: seconds after the base.
func (s *Session) ms(seconds int) int64 { return s.base.UnixMilli() + int64(seconds)*1000 }

// batch makes a batch with keys, a second between records, from a second on.
func (s *Session) batch(settings record.Settings, second int, values ...string) []byte {
	b := record.NewBatch(settings)
	for i, v := range values {
		b.Append(s.ms(second+i), []byte("key"), []byte(v))
	}
	sealed, err := b.Seal()
	if err != nil {
		s.err = err
	}
	return sealed
}

// produceOf is a request with one batch, by name and by id.
func (s *Session) produceOf(topic string, partition int32, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	s.addBatch(req, topic, partition, batch)
	return req
}

func (s *Session) addBatch(req *kmsg.ProduceRequest, topic string, partition int32, batch []byte) {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, s.symbols.idOf(topic)
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
}

// put appends a batch without comparing the answer.
func (s *Session) put(topic string, partition int32, batch []byte) {
	req := s.produceOf(topic, partition, batch)
	req.SetVersion(s.served[req.Key()].Max)
	resp, err := s.ask(req)
	if err != nil {
		s.err = err
		return
	}
	if code := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
		s.err = errAt("put batch to "+topic, code)
	}
}
