<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Client;

use OpenWaManager\Laravel\Exceptions\OpenWaPermanentException;

/** What a call was answered. */
final class Answer
{
    public function __construct(public int $status, public string $text)
    {
    }

    /**
     * What the manager said. A page of a proxy, a log-in for example, is no answer of the manager's.
     *
     * @return array<string, mixed>
     *
     * @throws OpenWaPermanentException
     */
    public function json(): array
    {
        $said = json_decode($this->text, true);
        if (! is_array($said)) {
            throw new OpenWaPermanentException("$this->status, but no JSON: what answers at OPENWA_BASE_URL is not the manager.", $this->status, 'not_json');
        }

        return $said;
    }
}
