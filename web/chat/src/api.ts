// Calls of the control API. An error carries the server's own sentence, which names the mend.

const PREFIX = "/sim/v1";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const isForm = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(PREFIX + path, {
      method,
      headers: body === undefined || isForm ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : isForm ? body : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "The simulator does not answer. Is it still running?");
  }
  if (!response.ok) throw new ApiError(response.status, await reason(response));
  return (await response.json()) as T;
}

async function reason(response: Response): Promise<string> {
  try {
    const { detail } = (await response.json()) as { detail: unknown };
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) return detail.map((one: { msg?: string }) => one.msg ?? "").join("; ");
  } catch {
    // no JSON: the status has to do
  }
  return `The simulator answered ${response.status}.`;
}

export const api = {
  get: <T>(path: string) => request<T>("GET", path),
  post: <T>(path: string, body: unknown) => request<T>("POST", path, body),
  put: <T>(path: string, body: unknown) => request<T>("PUT", path, body),
  patch: <T>(path: string, body: unknown) => request<T>("PATCH", path, body),
  upload: <T>(path: string, form: FormData) => request<T>("POST", path, form),
  delete: <T>(path: string) => request<T>("DELETE", path),
  stream: (path: string) => new EventSource(PREFIX + path),
  url: (path: string) => PREFIX + path,
};

export const chatPath = (ref: string) => `/chats/${encodeURIComponent(ref)}`;
export const whyOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
