// The agent's image in your registry.

export interface Image {
  readonly repository: string;
  readonly tag: string;
}
