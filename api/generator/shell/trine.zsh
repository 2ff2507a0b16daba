#compdef trine
# SPDX-License-Identifier: Apache-2.0
# Completion of trine for zsh. Made with `trine completion zsh`.
@TABLE@

_trine_reply() {
    local prefix=$PREFIX
    case $1 in
        none) return 1 ;;
        files) _files ;;
        words:*) compadd -- ${(s:,:)1#words:} ;;
        *) compadd -- ${(f)"$(trine __complete "$1" "$prefix" 2>/dev/null)"} ;;
    esac
}

_trine() {
    local i at=0 command= flags= kinds= args= kind=none word value
    _trine_command ""
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        if [[ $word == -* ]]; then
            [[ " $kinds " == *" $word="* ]] && ((i++))
        elif [[ -z $command || ( $at -eq 0 && -n $(_trine_words "$command") && $command != *" "* ) ]]; then
            command="${command:+$command }$word"
            _trine_command "$command"
        else
            ((at++))
        fi
    done
    if ((i > CURRENT)); then
        value=${kinds#*"$words[CURRENT-1]="}
        _trine_reply "${value%% *}"
    elif [[ $PREFIX == --*=* && " $kinds " == *" ${PREFIX%%=*}="* ]]; then
        value=${kinds#*"${PREFIX%%=*}="}
        compset -P '*='
        _trine_reply "${value%% *}"
    elif [[ $PREFIX == -* ]]; then
        compadd -- ${=flags}
    elif [[ $command != *" "* && -n $(_trine_words "$command") ]]; then
        compadd -- ${=$(_trine_words "$command")}
    else
        for word in ${=args}; do
            kind=${word%+}
            ((at-- == 0)) && break
            [[ $word == *+ ]] || kind=none
        done
        _trine_reply "$kind"
    fi
}
if [[ $funcstack[1] == _trine ]]; then
    _trine "$@"
else
    compdef _trine trine
fi
