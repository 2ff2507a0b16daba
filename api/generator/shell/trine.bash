# SPDX-License-Identifier: Apache-2.0
# Completion of trine for bash. Made with `trine completion bash`.
@TABLE@

# Words as the user sees them: bash cuts them at ':' and '=' too.
_trine_join() {
    local word glue=
    words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD + 1}"; do
        if [[ ${#words[@]} -gt 1 && ( $word == [:=]* || $glue == [:=] ) ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        glue=${word: -1}
    done
}

_trine_reply() {
    local kind=$1 cur=$2 cut=
    case $kind in
        none) return ;;
        files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        words:*) mapfile -t COMPREPLY < <(IFS=,; compgen -W "${kind#words:}" -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(trine __complete "$kind" "$cur" 2>/dev/null) ;;
    esac
    [[ $cur == *[:=]* ]] && cut=${cur%"${cur##*[:=]}"}
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}

_trine() {
    local words cur prev i at=0 command= flags= kinds= args= kind=none word value
    COMPREPLY=()
    _trine_join
    cur=${words[${#words[@]} - 1]}
    _trine_command ""
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ $word == -* ]]; then
            [[ " $kinds " == *" $word="* ]] && ((i++))
        elif [[ -z $command || ( $at -eq 0 && -n $(_trine_words "$command") && $command != *" "* ) ]]; then
            command="${command:+$command }$word"
            _trine_command "$command"
        else
            ((at++))
        fi
    done
    prev=${words[${#words[@]} - 2]}
    if ((i > ${#words[@]} - 1)) && [[ " $kinds " == *" $prev="* ]]; then
        value=${kinds#*"$prev="}
        _trine_reply "${value%% *}" "$cur"
    elif [[ $cur == --*=* && " $kinds " == *" ${cur%%=*}="* ]]; then
        value=${kinds#*"${cur%%=*}="}
        _trine_reply "${value%% *}" "${cur#*=}"
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
    elif [[ $command != *" "* && -n $(_trine_words "$command") ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_trine_words "$command")" -- "$cur")
    else
        for word in $args; do
            kind=${word%+}
            ((at-- == 0)) && break
            [[ $word == *+ ]] || kind=none
        done
        _trine_reply "$kind" "$cur"
    fi
}
complete -F _trine trine
