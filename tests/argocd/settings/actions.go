package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

type actions struct {
	Discovery   string       `json:"discovery.lua"`
	Definitions []definition `json:"definitions"`
}

type definition struct {
	Name   string `json:"name"`
	Action string `json:"action.lua"`
}

// tests is what action_test.yaml holds, in upstream's form.
type tests struct {
	Discovery []struct {
		InputPath string           `json:"inputPath"`
		Result    []map[string]any `json:"result"`
	} `json:"discoveryTests"`
	Action []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

func parse(text string) (actions, error) {
	var parsed actions
	if err := yaml.UnmarshalStrict([]byte(text), &parsed); err != nil {
		return parsed, err
	}
	if parsed.Discovery == "" || len(parsed.Definitions) == 0 {
		return parsed, fmt.Errorf("there are no actions of %s", kind)
	}
	return parsed, nil
}

func runTests(text, folder string) error {
	actions, err := parse(text)
	if err != nil {
		return err
	}
	tests, err := read[tests](filepath.Join(folder, "action_test.yaml"))
	if err != nil {
		return err
	}
	if len(tests.Discovery) == 0 || len(tests.Action) == 0 {
		return fmt.Errorf("%s: there are no tests", folder)
	}
	failed := 0
	report := func(name string, err error) {
		if err == nil {
			fmt.Printf("ok\t%s\t\n", name)
			return
		}
		failed++
		fmt.Printf("FAIL\t%s\t%s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	for _, test := range tests.Discovery {
		report("actions of "+test.InputPath, discovers(actions.Discovery, filepath.Join(folder, test.InputPath), test.Result))
	}
	for _, test := range tests.Action {
		name := fmt.Sprintf("%s makes %s of %s", test.Action, test.ExpectedOutputPath, test.InputPath)
		script := ""
		for _, definition := range actions.Definitions {
			if definition.Name == test.Action {
				script = definition.Action
			}
		}
		if script == "" {
			report(name, fmt.Errorf("there is no action %s", test.Action))
			continue
		}
		report(name, makes(script, filepath.Join(folder, test.InputPath), filepath.Join(folder, test.ExpectedOutputPath)))
	}
	if failed > 0 {
		return fmt.Errorf("%d tests failed", failed)
	}
	return nil
}

func discovers(script, input string, wanted []map[string]any) error {
	result, err := evaluate(script, input)
	if err != nil {
		return err
	}
	found, isTable := result.(map[string]any)
	if !isTable {
		return fmt.Errorf("the script returned %v", result)
	}
	expected := map[string]any{}
	for _, action := range wanted {
		name := action["name"].(string)
		delete(action, "name")
		expected[name] = action
	}
	for _, action := range found {
		// An action that does not say so is enabled.
		if fields := action.(map[string]any); fields["disabled"] == nil {
			fields["disabled"] = false
		}
	}
	return same(expected, found)
}

func makes(script, input, expected string) error {
	result, err := evaluate(script, input)
	if err != nil {
		return err
	}
	wanted, err := read[any](expected)
	if err != nil {
		return err
	}
	if err := useNow(wanted, result); err != nil {
		return err
	}
	return same(wanted, result)
}

// Where the expected file has a time, any in the same form will do.
func useNow(wanted, result any) error {
	const name = "directconnect-operator.dev/reconcile-requested-at"
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	expected, found := annotationsOf(wanted), annotationsOf(result)
	if expected[name] == nil {
		return nil
	}
	value, _ := found[name].(string)
	if !form.MatchString(value) || value == "2026-03-01T09:00:00Z" {
		return fmt.Errorf("%s is %q, which is not a new time", name, value)
	}
	expected[name] = value
	return nil
}

func annotationsOf(object any) map[string]any {
	root, _ := object.(map[string]any)
	metadata, _ := root["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	return annotations
}

func same(wanted, found any) error {
	if wanted, found := plain(wanted), plain(found); !reflect.DeepEqual(wanted, found) {
		return fmt.Errorf("wanted %v, found %v", wanted, found)
	}
	return nil
}

// Lua has one kind of table, so an empty list is an empty map to it; Argo CD gives it back the kind that it had before.
func plain(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := map[string]any{}
		for key, field := range value {
			copied[key] = plain(field)
		}
		return copied
	case []any:
		if len(value) == 0 {
			return map[string]any{}
		}
		copied := make([]any, 0, len(value))
		for _, item := range value {
			copied = append(copied, plain(item))
		}
		return copied
	default:
		return value
	}
}

// evaluate runs a script on a resource with what Argo CD lets it have where `useOpenLibs` is not set: the libraries package,
// base and table, and a module `os` that has to be required and can only tell the time.
func evaluate(script, file string) (any, error) {
	object, err := read[any](file)
	if err != nil {
		return nil, err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	whole := lua.NewState()
	defer whole.Close()
	state.PreloadModule(lua.OsLibName, func(state *lua.LState) int {
		module := state.NewTable()
		for _, name := range []string{"date", "time"} {
			module.RawSetString(name, whole.GetField(whole.GetGlobal(lua.OsLibName), name))
		}
		state.Push(module)
		return 1
	})
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	return fromLua(state.Get(-1)), nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range value {
			table.RawSetString(key, toLua(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	default:
		return lua.LNil
	}
}

func fromLua(value lua.LValue) any {
	switch value := value.(type) {
	case *lua.LTable:
		if value.Len() > 0 {
			list := []any{}
			value.ForEach(func(_, item lua.LValue) { list = append(list, fromLua(item)) })
			return list
		}
		fields := map[string]any{}
		value.ForEach(func(key, field lua.LValue) { fields[key.String()] = fromLua(field) })
		return fields
	case lua.LString:
		return string(value)
	case lua.LBool:
		return bool(value)
	case lua.LNumber:
		return float64(value)
	default:
		return nil
	}
}

func compareScripts(text, folder string) error {
	actions, err := parse(text)
	if err != nil {
		return err
	}
	found := map[string]string{"discovery.lua": trimmed(actions.Discovery)}
	for _, definition := range actions.Definitions {
		found[definition.Name+"/action.lua"] = trimmed(definition.Action)
	}
	wanted := map[string]string{}
	files, err := filepath.Glob(filepath.Join(folder, "*/action.lua"))
	if err != nil {
		return err
	}
	for _, file := range append(files, filepath.Join(folder, "discovery.lua")) {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		wanted[name] = trimmed(string(text))
	}
	if !reflect.DeepEqual(wanted, found) {
		return fmt.Errorf("wanted %q, found %q", wanted, found)
	}
	return nil
}
