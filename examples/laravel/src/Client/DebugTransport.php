<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Client;

use Psr\Log\LoggerInterface;

/** Sends every message to one number (`OPENWA_DEBUG_TO`), whomever it is for, and says so in the log each time. */
final class DebugTransport implements Transport
{
    public function __construct(private Transport $real, private string $debugTo, private LoggerInterface $log)
    {
    }

    public function ask(Call $call): Answer
    {
        if ($call->method !== 'POST' || $call->body === null || ! str_contains($call->path, '/messages')) {
            return $this->real->ask($call);
        }
        $meant = [];
        $redirected = clone $call;
        $redirected->body = $this->redirected($call->body, $meant);
        $shown = implode(', ', array_slice($meant, 0, 5)).(count($meant) > 5 ? ' and '.(count($meant) - 5).' more' : '');
        $this->log->warning("OPENWA_DEBUG_TO: what was for $shown goes to $this->debugTo");

        return $this->real->ask($redirected);
    }

    /**
     * @param  array<string, mixed>  $body
     * @param  string[]  $meant  gets the numbers that were meant
     * @return array<string, mixed>
     */
    private function redirected(array $body, array &$meant): array
    {
        if (isset($body['to'])) {
            $meant[] = (string) $body['to'];
            $body['to'] = $this->debugTo;
        }
        foreach (['messages', 'recipients'] as $list) {
            foreach ($body[$list] ?? [] as $place => $each) {
                $body[$list][$place] = $this->redirected($each, $meant);
            }
        }

        return $body;
    }
}
