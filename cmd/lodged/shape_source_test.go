package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What CONTRIBUTING.md promises about size and names.
const (
	mostFileLines     = 600
	mostFunctionLines = 80
	mostGateLines     = 1500 // manager/gate without its tests: it has to stay readable in one sitting
)

// A source is one Go file of the repository.
type source struct {
	path  string // from the root of the repository
	text  string
	files *token.FileSet
	tree  *ast.File
}

func (s source) isTest() bool        { return strings.HasSuffix(s.path, "_test.go") }
func (s source) line(n ast.Node) int { return s.files.Position(n.Pos()).Line }
func (s source) lines() int          { return strings.Count(s.text, "\n") }

// forEachFile calls do with every file that belongs to the repository, by its path in it.
func forEachFile(t *testing.T, do func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules", "dist"}, d.Name()) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(repository, path)
		do(filepath.ToSlash(inside), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	forEachFile(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		files := token.NewFileSet()
		tree, err := parser.ParseFile(files, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		all = append(all, source{path, string(text), files, tree})
	})
	return all
}

func TestSizes(t *testing.T) {
	ofGate := 0
	for _, s := range sources(t) {
		if n := s.lines(); n > mostFileLines {
			t.Errorf("%s has %d lines; split it before it has more than %d", s.path, n, mostFileLines)
		}
		if filepath.Dir(s.path) == "manager/gate" && !s.isTest() {
			ofGate += s.lines()
		}
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.files.Position(f.End()).Line - s.line(f) + 1; n > mostFunctionLines {
				t.Errorf("%s: %s has %d lines; the most is %d", s.path, f.Name.Name, n, mostFunctionLines)
			}
		}
	}
	if ofGate > mostGateLines {
		t.Errorf("manager/gate has %d lines; the most is %d", ofGate, mostGateLines)
	}
}

// shapeless are names that say nothing about what is inside.
var shapeless = regexp.MustCompile(`^(util|utils|helper|helpers|common|types|models|misc|core|lib)$`)

func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		file := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(s.path), ".go"), "_test")
		if shapeless.MatchString(file) {
			t.Errorf("%s: name the file after what is in it", s.path)
		}
		if shapeless.MatchString(s.tree.Name.Name) {
			t.Errorf("%s: name the package %s after what is in it", s.path, s.tree.Name.Name)
		}
	}
}

// TestNothingIsSkipped: a test that can't run says so through packaging/need, which fails where
// everything has to run; one that skips by itself would be missed by nobody.
func TestNothingIsSkipped(t *testing.T) {
	skip := regexp.MustCompile(`\.(Skip|Skipf|SkipNow)\(|testing\.Short\(`)
	for _, s := range sources(t) {
		if at := skip.FindString(s.text); at != "" && filepath.Dir(s.path) != "packaging/need" {
			t.Errorf("%s has %s: use package packaging/need", s.path, at)
		}
	}
}

// outside are methods named by an interface of somebody else's.
var outside = []string{"GetStatus"} // huma.StatusError

func TestExportedNames(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, d := range s.tree.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				s.checkFunction(t, d)
			case *ast.GenDecl:
				s.checkDeclaration(t, d)
			}
		}
	}
}

func (s source) checkFunction(t *testing.T, f *ast.FuncDecl) {
	name := f.Name.Name
	if !ast.IsExported(name) || f.Recv != nil && !ast.IsExported(receiver(f)) {
		return
	}
	if f.Doc == nil && !obvious(f) {
		t.Errorf("%s:%d: %s is exported and says nothing about itself", s.path, s.line(f), name)
	}
	if regexp.MustCompile(`^Get[A-Z]`).MatchString(name) && !slices.Contains(outside, name) {
		t.Errorf("%s:%d: %s: leave out Get", s.path, s.line(f), name)
	}
}

// obvious are the methods whose meaning their name and the language give.
func obvious(f *ast.FuncDecl) bool {
	return f.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "String", "Is", "Len", "Less", "Swap",
		"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}, f.Name.Name)
}

func receiver(f *ast.FuncDecl) string {
	of := f.Recv.List[0].Type
	if p, ok := of.(*ast.StarExpr); ok {
		of = p.X
	}
	if g, ok := of.(*ast.IndexExpr); ok {
		of = g.X
	}
	if id, ok := of.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// checkDeclaration looks at types, constants and variables. A comment on a group counts for all
// in it, and so does one at the end of the line.
func (s source) checkDeclaration(t *testing.T, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if ast.IsExported(spec.Name.Name) && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				t.Errorf("%s:%d: %s is exported and says nothing about itself", s.path, s.line(spec), spec.Name.Name)
			}
		case *ast.ValueSpec:
			// A typed constant is told by its type: StateRunning State = "running".
			if d.Doc != nil || spec.Doc != nil || spec.Comment != nil || spec.Type != nil || len(d.Specs) > 1 {
				continue
			}
			if ast.IsExported(spec.Names[0].Name) {
				t.Errorf("%s:%d: %s is exported and says nothing about itself", s.path, s.line(spec), spec.Names[0].Name)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	told := map[string]bool{}
	for _, s := range sources(t) {
		if dir := filepath.Dir(s.path); !s.isTest() {
			told[dir] = told[dir] || s.tree.Doc != nil
		}
	}
	for dir, ok := range told {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// foreign is what belongs to one machine or one supplier and not into the repository: folders of a
// developer, and hosts that packages and modules come from. The host's own configuration names those.
var foreign = regexp.MustCompile(strings.Join([]string{
	`/work/[a-z]`, `/tmp/lab`, `/home/[a-z]+/`, `/root/go/`,
	`proxy\.golang`, `sum\.golang`, `(deb|security|snapshot)\.debian\.org`, `archive\.ubuntu`, `registry\.npmjs`, `docker\.io/`,
	`goproxy\.(io|cn)`, `mirrors?\.[a-z]+\.[a-z]+`,
}, "|"))

func TestNothingOfOneMachine(t *testing.T) {
	forEachFile(t, func(path string, text []byte) {
		if path == "cmd/lodged/shape_source_test.go" || path == "go.sum" || path == "LICENSE" || strings.HasPrefix(path, ".") && !strings.HasPrefix(path, ".ci/") {
			return
		}
		for i, line := range strings.Split(string(text), "\n") {
			if found := foreign.FindString(line); found != "" {
				t.Errorf("%s:%d: %q belongs to one machine or supplier", path, i+1, found)
			}
		}
	})
}

// What the Makefile hands over to exists and can be run, and every target is declared phony.
func TestMakefile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`packaging/[a-z-]+`).FindAllString(string(text), -1) {
		info, err := os.Stat(filepath.Join(repository, m))
		if err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("the Makefile runs %s, which is no program here", m)
		}
	}
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(text)
	if phony == nil {
		t.Fatal("the Makefile declares no phony targets")
	}
	declared := strings.Fields(string(phony[1]))
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllSubmatch(text, -1) {
		if target := string(m[1]); !slices.Contains(declared, target) {
			t.Errorf("the target %s is not declared phony", target)
		}
		declared = slices.DeleteFunc(declared, func(d string) bool { return d == string(m[1]) })
	}
	if len(declared) > 0 {
		t.Errorf("declared phony and no targets: %v", declared)
	}
}

// A dependency that the code uses has its reason in CONTRIBUTING.md, and no other has.
func TestDependenciesHaveReasons(t *testing.T) {
	direct := map[string]bool{}
	forEachFile(t, func(path string, text []byte) {
		if path != "go.mod" {
			return
		}
		for _, m := range regexp.MustCompile(`(?m)^\s+(\S+) v\S+$`).FindAllSubmatch(text, -1) {
			direct[string(m[1])] = true
		}
	})
	used := map[string]bool{}
	for _, s := range sources(t) {
		for _, i := range s.tree.Imports {
			for module := range direct {
				if path := strings.Trim(i.Path.Value, `"`); path == module || strings.HasPrefix(path, module+"/") {
					used[module] = true
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(repository, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Dependencies")
	for module := range direct {
		if reason := strings.Contains(table, "`"+module+"`"); reason != used[module] {
			t.Errorf("%s: used %v, has a reason in CONTRIBUTING.md %v", module, used[module], reason)
		}
	}
}
