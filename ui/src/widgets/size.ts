import { useLayoutEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";

/** Width of an element, kept up to date. */
export function useWidth(element: RefObject<HTMLElement | null>, first: number): number {
  const [width, set] = useState(first);
  useLayoutEffect(() => {
    const node = element.current;
    if (!node) return;
    const measure = () => set(node.clientWidth || first);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  return width;
}
