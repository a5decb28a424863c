// A second implementation of the journal's tree, proofs and notes, to compare with ours: golang.org/x/mod/sumdb.
// Reads one JSON object, writes one. tests/test_journal_go.py builds it with the copy that the Go toolchain carries.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type consistency struct {
	Old, New         int64
	OldRoot, NewRoot tlog.Hash
	Proof            []tlog.Hash
}

type inclusion struct {
	Index, Size int64
	Leaf, Root  tlog.Hash
	Proof       []tlog.Hash
}

type asked struct {
	Rows        []string // the rows of a journal
	Sizes       []int64
	VKey, SKey  string
	Notes       []string // to be opened with VKey
	Text        string   // to be signed with SKey
	Inclusion   []inclusion
	Consistency []consistency
}

type answered struct {
	Roots       map[int64]tlog.Hash
	Inclusion   map[string]tlog.RecordProof // "index/size"
	Consistency map[string]tlog.TreeProof   // "old/new"
	Texts       []string                    // "" where a note does not open
	Signed      string
	Included    []bool
	Consistent  []bool
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	var in asked
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		must(0, err)
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = stored[index]
		}
		return out, nil
	})
	for n, row := range in.Rows {
		stored = append(stored, must(tlog.StoredHashes(int64(n), []byte(row), reader))...)
	}
	out := answered{map[int64]tlog.Hash{}, map[string]tlog.RecordProof{}, map[string]tlog.TreeProof{}, nil, "", nil, nil}
	for _, size := range in.Sizes {
		out.Roots[size] = must(tlog.TreeHash(size, reader))
		for n := int64(0); n < size; n++ {
			out.Inclusion[fmt.Sprintf("%d/%d", n, size)] = must(tlog.ProveRecord(size, n, reader))
			out.Consistency[fmt.Sprintf("%d/%d", n+1, size)] = must(tlog.ProveTree(size, n+1, reader))
		}
	}
	verifiers := note.VerifierList(must(note.NewVerifier(in.VKey)))
	for _, each := range in.Notes {
		opened, err := note.Open([]byte(each), verifiers)
		if err != nil {
			out.Texts = append(out.Texts, "")
		} else {
			out.Texts = append(out.Texts, opened.Text)
		}
	}
	if in.SKey != "" {
		out.Signed = string(must(note.Sign(&note.Note{Text: in.Text}, must(note.NewSigner(in.SKey)))))
	}
	for _, p := range in.Inclusion {
		out.Included = append(out.Included, tlog.CheckRecord(p.Proof, p.Size, p.Root, p.Index, p.Leaf) == nil)
	}
	for _, p := range in.Consistency {
		out.Consistent = append(out.Consistent, tlog.CheckTree(p.Proof, p.New, p.NewRoot, p.Old, p.OldRoot) == nil)
	}
	must(0, json.NewEncoder(os.Stdout).Encode(out))
}
