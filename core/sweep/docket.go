package sweep

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// DocketPrefix is where visits leave their suspects: sweep/recent/<id>, sweep/settled/<id>.
const DocketPrefix = "sweep/"

// A docket is an object that lists what one visit found unreferenced for the first time:
//
//	8 bytes   magic "FIRNSWP1"
//	4 bytes   length of the header, big endian
//	header    JSON: version 1, era
//	16 bytes  an id, for each suspect
//	4 bytes   CRC-32C of all before, big endian
//
// Beside it etcd has leases/sweep/<id>, whose lease lasts for the grace. It is written after the references were read, and before the
// docket is: so when a docket is there and its key is not, the grace is over, by etcd's clock. No clock of a process counts,
// and no two of them are compared.
//
// A docket that is lost, damaged or of another era counts for nothing: its objects become suspects once more.
type docket struct {
	id   ulid.ULID
	over bool // the grace is
	ids  []ulid.ULID
}

type docketHeader struct {
	Version int    `json:"version"`
	Era     string `json:"era"`
}

const (
	docketMagic   = "FIRNSWP1"
	docketVersion = 1
	docketsMax    = 100 // read at a visit; the oldest first
)

var errDocket = errors.New("docket is damaged")

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func sealDocket(era string, ids []ulid.ULID) ([]byte, error) {
	header, err := json.Marshal(docketHeader{docketVersion, era})
	if err != nil {
		return nil, fmt.Errorf("encode docket: %w", err)
	}
	b := append([]byte(docketMagic), binary.BigEndian.AppendUint32(nil, uint32(len(header)))...)
	b = append(b, header...)
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli())), nil
}

func openDocket(b []byte) (era string, ids []ulid.ULID, err error) {
	const fixed = len(docketMagic) + 4
	if len(b) < fixed+4 || !bytes.HasPrefix(b, []byte(docketMagic)) {
		return "", nil, fmt.Errorf("%d bytes: %w", len(b), errDocket)
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	n := int64(binary.BigEndian.Uint32(body[len(docketMagic):]))
	if crc32.Checksum(body, castagnoli()) != sum || n > int64(len(body)-fixed) {
		return "", nil, fmt.Errorf("checksum: %w", errDocket)
	}
	var h docketHeader
	if err := json.Unmarshal(body[fixed:fixed+int(n)], &h); err != nil || h.Version != docketVersion {
		return "", nil, fmt.Errorf("version %d: %w", h.Version, errDocket)
	}
	rest := body[fixed+int(n):]
	if len(rest)%16 != 0 {
		return "", nil, fmt.Errorf("%d bytes of ids: %w", len(rest), errDocket)
	}
	for ; len(rest) > 0; rest = rest[16:] {
		ids = append(ids, ulid.ULID(rest[:16]))
	}
	return h.Era, ids, nil
}

// docketKey is beside a docket in etcd until the grace is over.
func (w *Sweeper) docketKey(id ulid.ULID) string { return w.Keys.Lease("sweep/" + id.String()) }

// dockets reads those of a kind. The keys in etcd are read after the list: a docket that is listed had its key by then.
// What counts for nothing is given as void.
func (w *Sweeper) dockets(ctx context.Context, kind Kind, era string) (out []docket, void []string, err error) {
	prefix := kind.prefix()
	list, err := w.Store.List(ctx, prefix, "", docketsMax)
	if err != nil || len(list) == 0 {
		return nil, nil, wrap("list dockets", err)
	}
	waiting := map[string]bool{}
	r := coordination.Range{Prefix: w.Keys.Lease("sweep/"), Limit: page, KeysOnly: true}
	for {
		keys, err := w.KV.List(ctx, r)
		if err != nil {
			return nil, nil, fmt.Errorf("list the graces of dockets: %w", err)
		}
		for _, it := range keys.Items {
			waiting[it.Key] = true
		}
		if !keys.More {
			break
		}
		r.After = keys.Items[len(keys.Items)-1].Key
	}
	for _, o := range list {
		id, err := ulid.ParseStrict(strings.TrimPrefix(o.Key, prefix))
		if err != nil {
			w.Log.Warn("object with a foreign name left alone", "key", o.Key)
			continue
		}
		d := docket{id: id, over: !waiting[w.docketKey(id)]}
		b, err := w.Store.Get(ctx, o.Key, 0, -1)
		if errors.Is(err, objectstore.ErrNotFound) {
			continue // another visit is through with it
		}
		if err != nil {
			return nil, nil, fmt.Errorf("get %s: %w", o.Key, err)
		}
		of, ids, err := openDocket(b)
		if err != nil || of != era {
			w.Log.Info("docket counts for nothing", "key", o.Key, "era", of, "error", err)
			void = append(void, o.Key)
			continue
		}
		d.ids = ids
		out = append(out, d)
	}
	return out, void, nil
}

// leaveDocket writes what was found unreferenced for the first time: first the key with its grace, then the docket. Stopped
// in between there is a key without a docket, which ends by itself.
func (r *round) leaveDocket(ctx context.Context, kind Kind, ids []ulid.ULID) error {
	if len(ids) == 0 {
		return nil
	}
	w := r.w
	id, err := w.Stream.NewID()
	if err != nil {
		return err
	}
	lease, err := w.KV.Grant(ctx, w.Grace)
	if err != nil {
		return fmt.Errorf("grant the grace of a docket: %w", err)
	}
	res, err := w.KV.Commit(ctx, []coordination.Guard{coordination.ValueIs(w.Keys.Format(), []byte(r.era))},
		[]coordination.Change{coordination.PutLeased(w.docketKey(id), []byte(kind), lease.ID())})
	if err != nil || !res.Committed {
		_ = lease.Revoke(ctx) // it ends by itself otherwise
		return wrap("begin the grace of a docket", err)
	}
	object, err := sealDocket(r.of, ids)
	if err == nil {
		err = w.Store.Put(ctx, kind.prefix()+id.String(), object)
	}
	return wrap("put docket", err)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
