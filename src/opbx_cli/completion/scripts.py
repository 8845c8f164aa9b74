"""What `opbx completion` prints: each script asks `opbx` at a Tab, and so never goes stale."""

from __future__ import annotations

BASH = r"""# Completion of opbx for bash 4.4 or newer.
_opbx_completion() {
    local kind="" line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$line"); fi
    done < <(printf '%s\0' "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" |
        command opbx __complete bash 2>/dev/null)
    if [[ $kind == files ]]; then compopt -o default; fi
}
complete -F _opbx_completion opbx
"""

ZSH = r"""#compdef opbx
# Completion of opbx for zsh.
_opbx() {
    local kind line
    local -a offered
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else offered+=("$line"); fi
    done < <(printf '%s\0' "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" |
        command opbx __complete zsh 2>/dev/null)
    if [[ $kind == files ]]; then
        [[ $PREFIX == --*=* ]] && compset -P 1 '*='
        _files
    else
        _describe -t words opbx offered
    fi
}
if [[ $funcstack[1] == _opbx ]]; then _opbx "$@"; else compdef _opbx opbx; fi
"""

FISH = r"""# Completion of opbx for fish.
function __opbx_complete
    set -l offered (printf '%s\0' (commandline -cp | string collect) |
        command opbx __complete fish 2>/dev/null)
    set -l kind $offered[1]
    set -e offered[1]
    if test "$kind" = files
        set -l before (commandline -ct | string match -r -- '^--[a-z-]+=')
        set -l path (commandline -ct | string replace -r -- '^--[a-z-]+=' '')
        printf "$before%s\n" (__fish_complete_path "$path")
    else if set -q offered[1]
        printf '%s\n' $offered
    end
end
complete -c opbx -f -a '(__opbx_complete)'
"""

POWERSHELL = r"""# Completion of opbx for PowerShell.
Register-ArgumentCompleter -Native -CommandName opbx -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $text = [System.Management.Automation.Language.StringConstantExpressionAst]
    $result = [System.Management.Automation.CompletionResult]
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object {
            if ($_ -is $text) { $_.Value } else { $_.Extent.Text }
        })
    $words += $wordToComplete.Trim("'", '"')
    $opbx = Get-Command opbx -CommandType Application | Select-Object -First 1
    $encoding = [Console]::OutputEncoding
    $OutputEncoding = [System.Text.UTF8Encoding]::new($false)
    [Console]::OutputEncoding = $OutputEncoding
    try {
        $offered = @(($words -join "`0") + "`0" | & $opbx __complete powershell 2>$null)
    } finally {
        [Console]::OutputEncoding = $encoding
    }
    if ($offered.Count -eq 0 -or $offered[0] -eq 'files') { return }
    $offered | Select-Object -Skip 1 | ForEach-Object {
        $value, $about = $_ -split "`t", 2
        $quoted = $value
        if ($value -notmatch '^[\w./:=-]+$') { $quoted = "'" + ($value -replace "'", "''") + "'" }
        if (-not $about) { $about = $value }
        $result::new($quoted, $value, 'ParameterValue', $about)
    }
}
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}
