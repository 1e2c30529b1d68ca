"""The program of a window's process: `python window_program.py TITLE` shows the PPM pictures on its standard input.

It imports nothing of streamdet, so that the window is there at once.
"""

import os
import queue
import re
import sys
import threading
from contextlib import suppress
from typing import IO

_POLL_MS = 10


def show_pictures(title: str, pictures: IO[bytes]) -> None:
    """Show PPM pictures in a window until they end or the user closes it (with Escape or q as well)."""
    import tkinter

    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        print(f"warning: no window: {error}", file=sys.stderr)
        return
    waiting: queue.Queue[bytes | None] = queue.Queue(maxsize=1)
    threading.Thread(target=_read, args=(pictures, waiting), daemon=True).start()
    root.title(title)
    for key in ("<Escape>", "q"):
        root.bind(key, lambda _: root.destroy())
    image = tkinter.PhotoImage()
    tkinter.Label(root, image=image, borderwidth=0).pack()

    def poll() -> None:
        with suppress(queue.Empty):
            data = waiting.get_nowait()
            if data is None:
                root.destroy()
                return
            image.configure(data=data, format="ppm")  # the one uncompressed format that every Tk reads
        root.after(_POLL_MS, poll)

    poll()
    root.mainloop()


def _read(pictures: IO[bytes], waiting: "queue.Queue[bytes | None]") -> None:
    while header := re.fullmatch(rb"P6 (\d+) (\d+) 255\n", pictures.readline()):
        waiting.put(header[0] + pictures.read(int(header[1]) * int(header[2]) * 3))
    waiting.put(None)


if __name__ == "__main__":
    show_pictures(sys.argv[1], sys.stdin.buffer)
    os._exit(0)  # the thread may wait in a read of standard input, for which Python's own exit would wait
