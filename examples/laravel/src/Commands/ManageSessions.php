<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Commands;

use Illuminate\Console\Command;
use OpenWaManager\Laravel\Exceptions\NoAnswerException;
use OpenWaManager\Laravel\Exceptions\NotFoundException;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\Services\OpenWaService;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * What `bin/manage-openwa.php` calls: prints one line of JSON (`logs`: text), also where it is refused.
 *
 * Ends with 0 (done), 1 (refused), 2 (called wrongly), 3 (no such session) or 5 (the manager does not answer), as the
 * manager's own program does.
 */
final class ManageSessions extends Command
{
    protected $signature = 'openwa:manage
        {do : create, delete, list, restart or logs}
        {session? : its id, such as user_1_session_550e8400}
        {--tail=200 : how many lines of the log}
        {--wait=30 : how many seconds "create" waits for the code}';

    protected $description = 'Create, delete, list and restart sessions, and read their logs; answers in JSON';

    public function handle(OpenWaService $openWa): int
    {
        $id = (string) $this->argument('session');
        if ($id === '' && $this->argument('do') !== 'list') {
            return $this->misused('usage', 'Which session? manage-openwa.php create|delete|restart|logs <sessionId>, or list.');
        }
        try {
            return $this->carryOut((string) $this->argument('do'), $id, $openWa);
        } catch (OpenWaException $refusal) {
            $this->print(['session_id' => $id ?: null, 'status' => 'error', 'error' => $refusal->errorCode, 'detail' => $refusal->getMessage()]);

            return $refusal instanceof NotFoundException ? 3 : ($refusal instanceof NoAnswerException ? 5 : 1);
        }
    }

    private function carryOut(string $what, string $id, OpenWaService $openWa): int
    {
        switch ($what) {
            case 'create':
                $made = $openWa->create($id, null, (int) $this->option('wait'));
                $this->print($this->shown($made) + ['qr_base64' => $made['qr_base64'] ?? null]);
                break;
            case 'delete':
                $openWa->get($id); // a name that is not there is a mistake of the caller
                $openWa->delete($id);
                $this->print(['session_id' => $id, 'status' => 'deleted']);
                break;
            case 'restart':
                $this->print($this->shown($openWa->restart($id)));
                break;
            case 'list':
                $this->print(['sessions' => array_map(fn ($each) => $this->shown($each), $openWa->sessions())]);
                break;
            case 'logs':
                $this->output->write($openWa->logs($id, max(1, (int) ($this->option('tail') ?? 200))), false, OutputInterface::OUTPUT_RAW);
                break;
            default:
                return $this->misused('usage', "There is no \"$what\": create, delete, list, restart or logs.");
        }

        return 0;
    }

    /**
     * @param  array<string, mixed>  $session
     * @return array<string, mixed>
     */
    private function shown(array $session): array
    {
        return array_intersect_key($session, array_flip(['session_id', 'status', 'pid', 'phone_number']));
    }

    private function misused(string $code, string $detail): int
    {
        $this->print(['status' => 'error', 'error' => $code, 'detail' => $detail]);

        return 2;
    }

    /** @param  array<string, mixed>  $answer */
    private function print(array $answer): void
    {
        $this->output->writeln((string) json_encode($answer, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), OutputInterface::OUTPUT_RAW);
    }
}
