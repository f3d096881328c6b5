// Evaluates the health of one object as GitOps tools do: Flux's CEL expressions with Flux's own
// evaluator, and Argo CD's Lua with the interpreter that Argo CD uses.
//
// Reads {"object": …, "flux": {"current": …, "failed": …, "inProgress": …}, "lua": …} from standard
// input, and writes {"flux": STATUS, "argo": STATUS, "kstatus": STATUS}.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type request struct {
	Object json.RawMessage                  `json:"object"`
	Flux   kustomize.HealthCheckExpressions `json:"flux"`
	Lua    string                           `json:"lua"`
}

type answer struct {
	Flux    string `json:"flux"`
	Argo    string `json:"argo"`
	Kstatus string `json:"kstatus"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asked.Object); err != nil {
		return err
	}
	var said answer
	evaluator, err := cel.NewStatusEvaluator(&asked.Flux)
	if err != nil {
		return err
	}
	result, err := evaluator.Evaluate(context.Background(), object)
	if err != nil {
		return fmt.Errorf("flux: %w", err)
	}
	said.Flux = string(result.Status)
	plain, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("kstatus: %w", err)
	}
	said.Kstatus = string(plain.Status)
	if said.Argo, err = argo(asked.Lua, object.Object); err != nil {
		return fmt.Errorf("argo: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// As Argo CD runs a health check: few libraries, the object in `obj`, a table as the result.
func argo(script string, object map[string]any) (string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}, lua.LString(library.name))
		if err != nil {
			return "", err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", fmt.Errorf("the script returned %s and no table", state.Get(-1).Type())
	}
	return table.RawGetString("status").String(), nil
}

func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case bool:
		return lua.LBool(of)
	case float64:
		return lua.LNumber(of)
	case int64:
		return lua.LNumber(of)
	case string:
		return lua.LString(of)
	case []any:
		list := state.CreateTable(len(of), 0)
		for _, item := range of {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(of))
		for key, item := range of {
			table.RawSetH(lua.LString(key), value(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
