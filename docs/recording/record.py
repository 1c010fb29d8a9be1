#!/usr/bin/env python3
"""Records docs/rollout.svg: a real rollout under load in a real terminal (tmux), as an animated SVG.

Use: docs/recording/record.py path/to/neargate   (needs tmux; ends what it starts)
"""

import html
import pathlib
import re
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 104, 30
FRAME_SECONDS = 0.25
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff",
           "36": "#a5d6ff", "90": "#8b949e", "2": "#8b949e"}


def tmux(*arguments: str) -> str:
    done = subprocess.run(["tmux", "-L", "neargate-recording", *arguments], check=True,
                          capture_output=True, text=True)
    return done.stdout


def spans(line: str) -> str:
    """One line with ANSI colours as SVG tspans."""
    out, colour, bold = [], None, False
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if code:
            for number in code.group(1).split(";"):
                if number in ("", "0", "39"):
                    colour, bold = (None, False) if number != "39" else (None, bold)
                elif number == "1":
                    bold = True
                elif number in COLOURS:
                    colour = COLOURS[number]
        elif part:
            style = (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if bold else "")
            out.append(f"<tspan{style}>{html.escape(part)}</tspan>")
    return "".join(out)


def svg(frames: list[tuple[float, str]], total: float) -> str:
    width, height = COLUMNS * 8 + 32, ROWS * 17 + 32
    body = []
    for index, (start, screen) in enumerate(frames):
        end = frames[index + 1][0] if index + 1 < len(frames) else total
        lines = "".join(
            f'<text x="16" y="{30 + 17 * row}" xml:space="preserve">{spans(line)}</text>'
            for row, line in enumerate(screen.split("\n")[:ROWS]) if line.strip())
        keys = f"0;{start / total:.4f};{end / total:.4f};1"
        body.append(
            f'<g visibility="hidden">{lines}<animate attributeName="visibility" '
            f'values="hidden;visible;hidden;hidden" keyTimes="{keys}" calcMode="discrete" '
            f'dur="{total:.2f}s" repeatCount="indefinite"/></g>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}"><rect width="100%" height="100%" rx="8" '
            f'fill="#0d1117"/><g font-family="ui-monospace,Menlo,Consolas,monospace" '
            f'font-size="13" fill="#e6edf3">{"".join(body)}</g></svg>\n')


def main() -> None:
    binary = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        neargate = f"NEARGATE_HOME={folder}/home"
        tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(root),
             f"env {neargate} PATH={binary.parent}:$PATH PS1='$ ' bash --norc")
        script = [
            ("neargate up systems/microservices --env production --detach --pace 5", 3.0),
            ("clear; neargate load http://127.0.0.1:8080/auth/ --rate 200 --duration 9 &", 1.0),
            ("neargate deploy auth-service --env-var VERSION=2 2>/dev/null", 2.5),
            ("neargate deploy auth-service --image nowhere:v1 2>&1 | tail -n 8", 3.0),
            ("wait", 4.5),
        ]
        frames: list[tuple[float, str]] = []
        began = time.monotonic()
        try:
            for command, seconds in script:
                tmux("send-keys", command, "Enter")
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    screen = tmux("capture-pane", "-ep")
                    if not frames or frames[-1][1] != screen:
                        frames.append((time.monotonic() - began, screen))
                    time.sleep(FRAME_SECONDS)
        finally:
            subprocess.run([str(binary), "down", "--home", f"{folder}/home"], check=False,
                           capture_output=True)
            tmux("kill-server")
    total = time.monotonic() - began + 3
    (root / "docs" / "rollout.svg").write_text(svg(frames, total))


if __name__ == "__main__":
    main()
